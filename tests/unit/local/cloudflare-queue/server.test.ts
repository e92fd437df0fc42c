/** The embedded Cloudflare queue through its own client and plain requests, on a clock that the test turns. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type CloudflareClient, createCloudflareClient } from '../../../../consumers/cloudflare-client.ts';
import {
  type CloudflareQueueOptions,
  type LocalCloudflareQueue,
  startCloudflareQueue,
} from '../../../../local/cloudflare-queue/cloudflare-queue.ts';
import { silentLogger } from '../../../../log.ts';

const TOKEN = 'token';
const LEASE_MS = 30_000;
const Envelope = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })),
  messages: z.array(z.unknown()),
  result: z.unknown(),
});

let dataDir: string;
let server: LocalCloudflareQueue;
let nowMs: number;
let client: CloudflareClient;
let dead: CloudflareClient;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-cloudflare-'));
  nowMs = Date.UTC(2026, 10, 4);
  await start();
});
afterEach(async () => {
  await server.close();
  rmSync(dataDir, { recursive: true });
});

async function start(more: Partial<CloudflareQueueOptions> = {}): Promise<void> {
  server = await startCloudflareQueue({
    dataDir,
    port: 0,
    accountId: 'account',
    token: TOKEN,
    queues: [{ name: 'events', maxRetries: 1, deadLetterQueue: 'dead' }, { name: 'dead' }, { name: 'push', httpPull: false }],
    log: silentLogger,
    now: () => nowMs,
    ...more,
  });
  client = clientOf('events');
  dead = clientOf('dead');
}

const clientOf = (name: string) => createCloudflareClient({ queueUrl: server.urlOf(name), token: TOKEN });

async function request(path: string, body: unknown, { method = 'POST', token = TOKEN } = {}) {
  const response = await fetch(path.startsWith('http') ? path : `${server.urlOf('events')}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...Envelope.parse(await response.json()) };
}

async function pullOne(leaseMs = LEASE_MS) {
  const { messages } = await client.pull(1, leaseMs);
  return messages[0] ?? expect.unreachable('no message');
}

const bodiesOf = ({ messages }: { messages: readonly { body: string }[] }) => messages.map(({ body }) => body);

describe('leases', () => {
  test('a pulled message is hidden until its lease ends, and each pull counts', async () => {
    await client.send('a');
    expect((await pullOne()).attempts).toBe(1);
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual([]);
    nowMs += LEASE_MS;
    expect((await pullOne()).attempts).toBe(2);
  });

  test('an acknowledged message is gone', async () => {
    await client.send('a');
    const { warnings } = await client.settle([(await pullOne()).leaseId], []);
    nowMs += LEASE_MS;
    expect({ warnings: warnings.size, left: bodiesOf(await client.pull(10, LEASE_MS)) }).toEqual({ warnings: 0, left: [] });
  });

  test('a late acknowledgement counts as long as nobody else has pulled the message', async () => {
    await client.sendBatch(['a', 'b']);
    const [a, b] = (await client.pull(2, LEASE_MS)).messages;
    nowMs += LEASE_MS + 1;
    expect((await client.settle([a?.leaseId ?? ''], [])).warnings.size).toBe(0);
    expect(await pullOne()).toMatchObject({ body: 'b', attempts: 2 });
    expect([...(await client.settle([b?.leaseId ?? ''], [])).warnings.keys()]).toEqual([b?.leaseId]);
  });

  test('an extension begins the lease anew under another id, voids the old one and counts no attempt', async () => {
    await client.send('a');
    const { leaseId } = await pullOne();
    nowMs += LEASE_MS - 1;
    const extended = await client.extend(leaseId, LEASE_MS);
    expect(extended).toEqual({ kind: 'extended', leaseId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(extended).not.toEqual({ kind: 'extended', leaseId });
    nowMs += LEASE_MS - 1;
    expect(bodiesOf(await client.pull(1, LEASE_MS))).toEqual([]);
    expect((await client.settle([leaseId], [])).warnings.size).toBe(1);
    expect(await client.extend(leaseId, LEASE_MS)).toEqual({ kind: 'lost' });
    nowMs += 1;
    expect((await pullOne()).attempts).toBe(2);
  });

  test('a lease of another queue is none here', async () => {
    await client.send('a');
    const { leaseId } = await pullOne();
    expect((await dead.settle([leaseId], [])).warnings.size).toBe(1);
    expect((await client.settle([leaseId], [])).warnings.size).toBe(0);
  });
});

describe('retries', () => {
  test('a retried message comes again after its delay', async () => {
    await client.send('a');
    await client.settle([], [{ leaseId: (await pullOne()).leaseId, delaySeconds: 10 }]);
    nowMs += 9_999;
    expect(bodiesOf(await client.pull(1, LEASE_MS))).toEqual([]);
    nowMs += 1;
    expect((await pullOne()).attempts).toBe(2);
  });

  test.each(['retried', 'left'])('a message %s once too often is in the dead-letter queue, its count begun anew', async (how) => {
    await server.send('events', '{"a":1}');
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const { leaseId } = await pullOne();
      if (how === 'retried') await client.settle([], [{ leaseId, delaySeconds: 0 }]);
      else nowMs += LEASE_MS;
    }
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual([]);
    expect((await dead.peek(10)).messages).toMatchObject([{ body: '{"a":1}', attempts: 0 }]);
  });

  test('without a dead-letter queue it is deleted', async () => {
    await dead.send('a');
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const [message] = (await dead.pull(1, LEASE_MS)).messages;
      expect(message?.attempts).toBe(attempt);
      await dead.settle([], [{ leaseId: message?.leaseId ?? '', delaySeconds: 0 }]);
    }
    expect(bodiesOf(await dead.peek(10))).toEqual([]);
  });
});

describe('sending', () => {
  test('JSON leaves base64-encoded and text as it is, each saying which it is', async () => {
    await request('/messages', { body: { a: 'ü' }, content_type: 'json' });
    await request('/messages', { body: 'plain', content_type: 'text' });
    const { result } = await request('/messages/peek', { batch_size: 10 });
    expect(result).toMatchObject({
      messages: [
        { body: Buffer.from('{"a":"ü"}').toString('base64'), metadata: { 'CF-Content-Type': 'json' }, timestamp_ms: nowMs },
        { body: 'plain', metadata: { 'CF-Content-Type': 'text' } },
      ],
    });
  });

  test('in the plain form JSON leaves as it is', async () => {
    await server.close();
    await start({ plainBodies: true });
    await server.send('events', '{"a": 1}');
    const { result } = await request('/messages/pull', {});
    expect(result).toMatchObject({ messages: [{ body: '{"a":1}', attempts: 1, metadata: { 'CF-Content-Type': 'json' } }] });
  });

  test('a delay hides a message, in a batch each its own', async () => {
    await client.send('late', { delaySeconds: 5 });
    await request('/messages/batch', { delay_seconds: 3, messages: [{ body: 'batch' }, { body: 'own', delay_seconds: 0 }] });
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual(['own']);
    nowMs += 3_000;
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual(['batch']);
    nowMs += 2_000;
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual(['late']);
  });

  test('a batch that is refused for one message is refused whole', async () => {
    const error = await client.sendBatch(['fine', 'x'.repeat(128_000)]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'QUEUE_ERROR', context: { status: 413 } });
    expect(bodiesOf(await client.peek(10))).toEqual([]);
  });

  test.each([
    ['more than 256 KB', Array.from({ length: 3 }, () => 'x'.repeat(100_000)), 413],
    ['more than a hundred', Array.from({ length: 101 }, () => 'x'), 400],
    ['none', [], 400],
  ])('a batch of %s is refused', async (_what, bodies, status) => {
    const error = await client.sendBatch(bodies).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'QUEUE_ERROR', context: { status } });
  });

  test('a message is gone after four days', async () => {
    await client.send('old');
    nowMs += 4 * 86_400_000;
    expect(bodiesOf(await client.peek(10))).toEqual([]);
    expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual([]);
  });
});

test('a look leases nothing, and what it showed can be deleted by its reference', async () => {
  await client.sendBatch(['a', 'b']);
  const shown = (await client.peek(10)).messages;
  expect(shown).toMatchObject([
    { body: 'a', attempts: 0, sentAtMs: nowMs },
    { body: 'b', attempts: 0 },
  ]);
  const ref = shown[0]?.ref ?? '';
  expect((await client.purge([ref])).warnings.size).toBe(0);
  expect([...(await client.purge([ref])).warnings.keys()]).toEqual([ref]);
  expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual(['b']);
});

describe('settings', () => {
  test('tell the queue and its pull consumer', async () => {
    expect(await client.settings()).toEqual({
      ...{ name: 'events', paused: false, retentionSeconds: 345_600 },
      ...{ pullable: true, maxRetries: 1, deadLetterQueue: 'dead' },
    });
    expect(await clientOf('push').settings()).toMatchObject({ name: 'push', maxRetries: undefined });
    expect(bodiesOf(await ((await client.sibling('dead'))?.peek(1) ?? expect.unreachable('no sibling')))).toEqual([]);
  });

  test('a paused queue takes messages and hands none out, also after a restart', async () => {
    await request('', { settings: { delivery_paused: true } }, { method: 'PATCH' });
    await client.send('a');
    await server.close();
    await start();
    const { status, errors, success } = await request('/messages/pull', {});
    expect({ status, success, message: errors[0]?.message }).toEqual({
      status: 409,
      success: false,
      message: 'queue_delivery_paused',
    });
    await request('', { settings: { delivery_paused: false } }, { method: 'PATCH' });
    expect(bodiesOf(await client.pull(1, LEASE_MS))).toEqual(['a']);
  });

  test('a queue without a pull consumer is not pulled from', async () => {
    await expect(clientOf('push').pull(1, LEASE_MS)).rejects.toMatchObject({ code: 'QUEUE_NOT_PULLABLE' });
  });
});

describe('what is refused', () => {
  test('another token, in the API’s envelope', async () => {
    const { status, success, errors, messages, result } = await request('/messages/pull', {}, { token: 'other' });
    expect({ status, success, errors, messages, result }).toEqual({
      status: 401,
      success: false,
      errors: [{ code: 10_000, message: 'Authentication error' }],
      messages: [],
      result: null,
    });
  });

  test.each([
    ['/messages/pull', { batch_size: 101 }],
    ['/messages/pull', { batch_size: 0 }],
    ['/messages/pull', { visibility_timeout_ms: 43_200_001 }],
    ['/messages/ack', { retries: [{ lease_id: 'x', delay_seconds: 86_401 }] }],
    ['/messages/ack', { acks: ['x'] }],
    ['/messages', { body: 7, content_type: 'text' }],
    ['/messages/purge', {}],
    ['/messages/pull', 'not json'],
  ])('%s %j', async (path, body) => {
    expect(await request(path, body)).toMatchObject({ status: 400, success: false });
  });

  test('unknown queues and paths', async () => {
    expect(await request('/messages/nothing', {})).toMatchObject({ status: 404 });
    expect(await request(`${server.urlOf('events').slice(0, -32)}${'0'.repeat(32)}/messages/pull`, {})).toMatchObject({
      status: 404,
    });
    expect(await request(`${server.endpoint}/accounts/other/queues`, undefined, { method: 'GET' })).toMatchObject({
      status: 404,
    });
    expect(() => server.urlOf('nobody')).toThrow('nobody');
    await expect(server.send('nobody', 'x')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(server.send('events', 'x'.repeat(128_000))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('what a test asks to fail, as often as it asks', async () => {
    server.failOnDemand({ status: 429, message: 'slow down', path: '/messages/pull', retryAfterSeconds: 7, times: 2 });
    expect(await request('/messages/peek', {})).toMatchObject({ status: 200 });
    expect(await request('/messages/pull', {})).toMatchObject({
      status: 429,
      retryAfter: '7',
      errors: [{ message: 'slow down' }],
    });
    expect(await request('/messages/pull', {})).toMatchObject({ status: 429 });
    expect(await request('/messages/pull', {})).toMatchObject({ status: 200 });
  });

  test.each([
    ['a name that Cloudflare would not take', [{ name: 'Events' }]],
    ['the same name twice', [{ name: 'a' }, { name: 'a' }]],
    ['a dead-letter queue that is not there', [{ name: 'a', deadLetterQueue: 'b' }]],
    ['a queue that is its own dead-letter queue', [{ name: 'a', deadLetterQueue: 'a' }]],
    ['more retries than a hundred', [{ name: 'a', maxRetries: 101 }]],
  ])('%s', async (_what, queues) => {
    const folder = join(dataDir, 'other');
    const options = { dataDir: folder, port: 0, accountId: 'a', token: TOKEN, queues, log: silentLogger };
    await expect(startCloudflareQueue(options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

test('messages, leases and urls are the same after a restart', async () => {
  await client.sendBatch(['a', 'b']);
  const { leaseId } = await pullOne();
  const path = new URL(server.urlOf('events')).pathname;
  await server.close();
  await start();
  expect(new URL(server.urlOf('events')).pathname).toBe(path);
  expect(bodiesOf(await client.pull(10, LEASE_MS))).toEqual(['b']);
  expect((await client.settle([leaseId], [])).warnings.size).toBe(0);
});

test('a folder that another server uses is refused', async () => {
  const options = { dataDir, port: 0, accountId: 'a', token: TOKEN, queues: [], log: silentLogger };
  await expect(startCloudflareQueue(options)).rejects.toThrow('cannot use');
});
