/** What the consumer of Cloudflare Queues promises, against the local queue. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type CloudflareClient, createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import { type CloudflareConsumerOptions, createCloudflareConsumer } from '../../../consumers/cloudflare-queues.ts';
import { readNote, unwrapBody } from '../../../consumers/dead-letter-note.ts';
import type { HandleMessage, QueueConsumer, QueueMessage } from '../../../consumers/queue-message.ts';
import { MillraceError } from '../../../errors.ts';
import { type LocalCloudflareQueue, startCloudflareQueue } from '../../../local/cloudflare-queue/cloudflare-queue.ts';
import { createLogger, silentLogger } from '../../../log.ts';
import { type Line, lineTo } from './outage.ts';

const TOKEN = 'local-token-0123456789';
const LEASE_SECONDS = 2;
const failure = () => new MillraceError('STORE_UNREACHABLE', 'the bucket is away');
const done: HandleMessage = async () => ({ kind: 'done' });
const pullPath = '/messages/pull';

let dataDir: string;
let server: LocalCloudflareQueue;
let line: Line;
let client: CloudflareClient;
let deadLetters: CloudflareClient;
const running: QueueConsumer[] = [];
/** Every request of the consumers: its path below the queue's URL and its body. */
let requests: { path: string; body: string }[];
/** Every lease id that the queue has told. */
let leases: string[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-cloudflare-'));
  const queues = [{ name: 'events', maxRetries: 2, deadLetterQueue: 'dead' }, { name: 'dead' }, { name: 'bare', maxRetries: 1 }];
  server = await startCloudflareQueue({ dataDir, port: 0, accountId: 'account', token: TOKEN, queues, log: silentLogger });
  line = await lineTo(new URL(server.endpoint).origin);
  requests = [];
  leases = [];
  client = clientOf('events', { through: line });
  deadLetters = clientOf('dead');
});
afterEach(async () => {
  line.mend();
  await Promise.all(running.splice(0).map((consumer) => consumer.stop()));
  line.close();
  await server.close();
  await rm(dataDir, { recursive: true });
});

function clientOf(name: string, { through, token = TOKEN }: { through?: Line; token?: string } = {}): CloudflareClient {
  const url = new URL(server.urlOf(name));
  const watched: typeof fetch = async (input, init) => {
    requests.push({ path: String(input).replace(/^.*\/queues\/[0-9a-f]{32}/, ''), body: String(init?.body ?? '') });
    const response = await fetch(input, init);
    const told = await response.clone().text();
    for (const [, lease] of told.matchAll(/"lease_id":"([0-9a-f]+)"/g)) if (lease !== undefined) leases.push(lease);
    return response;
  };
  const queueUrl = `${through?.endpoint ?? url.origin}${url.pathname}`;
  return createCloudflareClient({ queueUrl, token, fetch: watched });
}

function consume(handle: HandleMessage, more: Partial<CloudflareConsumerOptions> = {}): QueueConsumer {
  const consumer = createCloudflareConsumer({
    client,
    visibilityTimeoutSeconds: LEASE_SECONDS,
    firstIdlePauseMs: 20,
    maxIdlePauseMs: 50,
    firstPauseMs: 50,
    maxPauseMs: 200,
    slowPauseMs: 50,
    stopTimeoutMs: 10_000,
    log: silentLogger,
    handle,
    ...more,
  });
  running.push(consumer);
  consumer.start();
  return consumer;
}

async function patch(name: string, settings: object): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(server.urlOf(name), { method: 'PATCH', headers, body: JSON.stringify({ settings }) });
  expect(response.status).toBe(200);
}

const Metrics = z.object({ result: z.object({ backlog_count: z.number() }) });

/** Messages that wait or are being worked on. */
async function held(name = 'events'): Promise<number> {
  const response = await fetch(`${server.urlOf(name)}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  return Metrics.parse(await response.json()).result.backlog_count;
}

const until = (assertion: () => unknown, timeout = 20_000) => vi.waitFor(assertion, { timeout, interval: 20 });
const untilEmpty = () => until(async () => expect(await held()).toBe(0));
const calls = (path: string) => requests.filter((request) => request.path === path);
const shown = (messages: readonly QueueMessage[]) => messages.map(({ body, receiveCount }) => [body, receiveCount]);

/** A log whose lines can be looked at. */
function writtenLog() {
  const lines: { level: string; message: string; code?: string }[] = [];
  const stream = {
    write: (text: string) => {
      const { level, message, error } = JSON.parse(text);
      lines.push({ level, message, ...(error === undefined ? {} : { code: error.code }) });
    },
  };
  return { log: createLogger({ level: 'info', name: 'test', stream }), lines };
}

describe('messages and their ends', () => {
  test('every message is handled and removed, and acknowledgements share requests', async () => {
    const bodies = Array.from({ length: 25 }, (_, index) => JSON.stringify({ index }));
    for (const body of bodies) await server.send('events', body);
    const seen: string[] = [];
    const consumer = consume(async ({ body }) => {
      seen.push(body);
      return { kind: 'done' };
    });
    await untilEmpty();
    expect(seen.sort()).toEqual([...bodies].sort());
    await until(() => expect(consumer.status().inFlight).toBe(0));
    expect(consumer.status()).toMatchObject({ running: true, paused: false, failedPolls: 0, inFlight: 0 });
    expect(Date.now() - (consumer.status().lastPollMs ?? 0)).toBeLessThan(10_000);
    expect(calls('/messages/ack').length).toBeLessThan(10);
  });

  test('no more messages are held than were asked for', async () => {
    for (let index = 0; index < 10; index += 1) await server.send('events', `message ${index}`);
    let running = 0;
    let most = 0;
    consume(
      async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 30));
        running -= 1;
        return { kind: 'done' };
      },
      { maxInFlight: 3 },
    );
    await untilEmpty();
    expect(most).toBe(3);
  });

  test('a message that failed, or whose handler threw, comes again with a higher count, and not before its delay', async () => {
    await server.send('events', 'fails');
    await server.send('events', 'throws');
    const seen: QueueMessage[] = [];
    const times: number[] = [];
    consume(
      async (message) => {
        seen.push(message);
        if (message.body === 'fails') times.push(performance.now());
        if (message.receiveCount > 1) return { kind: 'done' };
        if (message.body === 'throws') throw new Error('a defect');
        return { kind: 'retry', delaySeconds: 1, error: failure() };
      },
      { random: () => 0 },
    );
    await untilEmpty();
    expect(shown(seen).sort()).toEqual([
      ['fails', 1],
      ['fails', 2],
      ['throws', 1],
      ['throws', 2],
    ]);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900);
  });

  test('what nobody can read is in the dead-letter queue after one receipt, with its reason around it', async () => {
    await server.send('events', 'this is no JSON');
    const error = new MillraceError('MESSAGE_NOT_JSON', 'a message is not JSON');
    consume(async () => ({ kind: 'dead-letter', error }));
    await untilEmpty();
    const { messages } = await deadLetters.peek(10);
    const [dead] = messages.map(({ body }) => unwrapBody(body));
    expect(dead?.body).toBe('this is no JSON');
    expect(readNote(dead?.attributes ?? {})).toMatchObject({
      code: 'MESSAGE_NOT_JSON',
      reason: 'a message is not JSON',
      receiveCount: 1,
      replays: 0,
    });
    expect(messages).toHaveLength(1);
  });

  test('a message that fails on its last receipt is dead-lettered with the reason it failed, once', async () => {
    await server.send('events', 'fails always');
    const seen: QueueMessage[] = [];
    consume(async (message) => {
      seen.push(message);
      return { kind: 'retry', delaySeconds: 0, error: failure() };
    });
    await untilEmpty();
    expect(shown(seen)).toEqual([
      ['fails always', 1],
      ['fails always', 2],
      ['fails always', 3],
    ]);
    const { messages } = await deadLetters.peek(10);
    const notes = messages.map(({ body }) => readNote(unwrapBody(body).attributes));
    expect(notes).toMatchObject([{ code: 'STORE_UNREACHABLE', reason: 'the bucket is away', receiveCount: 3 }]);
  });

  test('the note of a message that was sent again is taken off before it is handled, and counted', async () => {
    await client.send('{"millrace":{"note":{"millrace-replays":"2"}},"body":"again"}');
    const seen: QueueMessage[] = [];
    consume(async (message) => {
      seen.push(message);
      return { kind: 'dead-letter', error: failure() };
    });
    await untilEmpty();
    expect(seen).toMatchObject([{ body: 'again', replays: 2, attributes: { 'millrace-replays': '2' } }]);
    const [dead] = (await deadLetters.peek(10)).messages.map(({ body }) => unwrapBody(body));
    expect(dead?.body).toBe('again');
    expect(readNote(dead?.attributes ?? {})?.replays).toBe(2);
  });

  test('where the dead-letter queue does not take it, the message stays on its queue', async () => {
    await server.send('events', 'unreadable');
    const receipts: number[] = [];
    consume(
      async ({ receiveCount }) => {
        receipts.push(receiveCount);
        return { kind: 'dead-letter', error: failure() };
      },
      { deadLetterClient: clientOf('dead', { token: 'wrong' }), random: () => 0 },
    );
    await until(() => expect(receipts).toEqual([1, 2]));
    expect(await held()).toBe(1);
  });
});

describe('leases', () => {
  test('a message worked on for longer than its lease is not handed out twice, and ends by its newest lease', async () => {
    await server.send('events', 'long');
    const seen: QueueMessage[] = [];
    consume(async (message) => {
      seen.push(message);
      await new Promise((resolve) => setTimeout(resolve, LEASE_SECONDS * 2_500));
      return { kind: 'done' };
    });
    await until(() => expect(seen).toHaveLength(1));
    await untilEmpty();
    expect(seen).toHaveLength(1);
    const extended = calls('/messages/extend').map(({ body }) => JSON.parse(body).extend[0].lease_id);
    const [acked] = calls('/messages/ack').map(({ body }) => JSON.parse(body).acks[0].lease_id);
    expect(extended.length).toBeGreaterThan(4);
    expect(new Set([...extended, acked]).size).toBe(extended.length + 1);
  });

  test('work that ends while its lease is being extended waits for the new lease, and ends by it', async () => {
    await server.send('events', 'in between');
    const extending = Promise.withResolvers<void>();
    const slow: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith('/messages/extend')) {
        extending.resolve();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return response;
    };
    const seen: QueueMessage[] = [];
    consume(
      async (message) => {
        seen.push(message);
        await extending.promise;
        return { kind: 'done' };
      },
      { client: createCloudflareClient({ queueUrl: server.urlOf('events'), token: TOKEN, fetch: slow }) },
    );
    await until(() => expect(seen).toHaveLength(1));
    await untilEmpty();
    expect(seen).toHaveLength(1);
  });

  test('a lost lease stops the work, and nothing is done to the message after it', async () => {
    await server.send('events', 'lost');
    const started = Promise.withResolvers<AbortSignal>();
    const consumer = consume(async (_message, signal) => {
      started.resolve(signal);
      if (!signal.aborted) await once(signal, 'abort');
      return { kind: 'retry', delaySeconds: 0, error: failure() };
    });
    const signal = await started.promise;
    const somebodyElse = clientOf('events');
    await until(async () => {
      await somebodyElse.settle(leases, []);
      expect(await held()).toBe(0);
    });
    const endsBefore = calls('/messages/ack').length;
    await until(() => expect(signal.aborted).toBe(true));
    await until(() => expect(consumer.status().inFlight).toBe(0));
    await consumer.stop();
    expect(calls('/messages/ack').length).toBe(endsBefore);
    expect(signal.reason).toMatchObject({ code: 'CANCELLED' });
  });

  test('work that cannot keep its lease, because the queue is away, is stopped when the lease is over', async () => {
    await server.send('events', 'cut off');
    const started = Promise.withResolvers<AbortSignal>();
    let again = 0;
    consume(async ({ receiveCount }, signal) => {
      if (receiveCount > 1) again = receiveCount;
      else {
        started.resolve(signal);
        if (!signal.aborted) await once(signal, 'abort');
      }
      return receiveCount > 1 ? { kind: 'done' } : { kind: 'retry', delaySeconds: 0, error: failure() };
    });
    const signal = await started.promise;
    line.cut();
    await until(() => expect(signal.aborted).toBe(true));
    line.mend();
    await untilEmpty();
    expect(again).toBe(2);
  });
});

describe('a queue that cannot be pulled from', () => {
  test('a paused queue is asked now and then, is said once, and is not a failure', async () => {
    const { log, lines } = writtenLog();
    await patch('events', { delivery_paused: true });
    await server.send('events', 'later');
    const seen: string[] = [];
    const consumer = consume(
      async ({ body }) => {
        seen.push(body);
        return { kind: 'done' };
      },
      { log },
    );
    await until(() => expect(calls(pullPath).length).toBeGreaterThan(3));
    expect(lines.filter(({ code }) => code === 'QUEUE_PAUSED')).toHaveLength(1);
    expect(consumer.status()).toMatchObject({ failedPolls: 0 });
    expect(consumer.status().lastPollMs).toBeDefined();
    expect(seen).toEqual([]);
    await patch('events', { delivery_paused: false });
    await untilEmpty();
    expect(seen).toEqual(['later']);
  });

  test('a queue without a pull consumer is said once, with what to do, and asked on', async () => {
    const { log, lines } = writtenLog();
    server.failOnDemand({ status: 405, message: 'no consumer', path: pullPath, times: 3 });
    const consumer = consume(done, { log });
    await until(() => expect(calls(pullPath).length).toBeGreaterThan(3));
    expect(lines.filter(({ code }) => code === 'QUEUE_NOT_PULLABLE')).toMatchObject([{ level: 'error' }]);
    await until(() => expect(consumer.status().failedPolls).toBe(0));
  });

  test('a refused token is said and asked again slowly, and stands in no line of the log', async () => {
    const written: string[] = [];
    const log = createLogger({ level: 'trace', name: 'test', stream: { write: (text) => written.push(text) } });
    const token = 'wrong-token-9876543210';
    const consumer = consume(done, { client: clientOf('events', { token }), slowPauseMs: 60_000, log });
    await until(() => expect(consumer.status().failedPolls).toBe(1));
    expect(written.join('')).toContain('QUEUE_FORBIDDEN');
    expect(written.join('')).not.toContain(token);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls(pullPath)).toHaveLength(1);
    await consumer.stop();
  });

  test('a queue that asks for fewer requests is left alone for as long as it says', async () => {
    server.failOnDemand({ status: 429, message: 'slow down', path: pullPath, retryAfterSeconds: 1 });
    const began = performance.now();
    const consumer = consume(done);
    await until(() => expect(consumer.status().failedPolls).toBe(1));
    await until(() => expect(consumer.status().failedPolls).toBe(0));
    expect(performance.now() - began).toBeGreaterThan(1_000);
  });

  test('acknowledgements that the queue refuses for now are sent again', async () => {
    await server.send('events', 'once');
    server.failOnDemand({ status: 429, message: 'slow down', path: '/messages/ack' });
    server.failOnDemand({ status: 502, message: 'bad gateway', path: '/messages/ack' });
    const seen: QueueMessage[] = [];
    consume(async (message) => {
      seen.push(message);
      return { kind: 'done' };
    });
    await untilEmpty();
    expect(seen).toHaveLength(1);
    expect(calls('/messages/ack')).toHaveLength(3);
  });

  test('a queue that is away is asked ever less often, and work goes on by itself when it is back', async () => {
    const seen: string[] = [];
    const consumer = consume(
      async ({ body }) => {
        seen.push(body);
        return { kind: 'done' };
      },
      { firstPauseMs: 100, maxPauseMs: 400 },
    );
    await server.send('events', 'before');
    await untilEmpty();
    line.cut();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(consumer.status().failedPolls).toBeGreaterThan(2);
    // At 100, 200, 400, 400 … ms, or half of that: a hot loop would make hundreds.
    expect(line.tries()).toBeLessThan(20);
    line.mend();
    await server.send('events', 'after');
    await until(() => expect(seen).toEqual(['before', 'after']));
    expect(consumer.status().failedPolls).toBe(0);
    await untilEmpty();
  });

  test('without settings to read, the queue itself moves what was retried too often', async () => {
    server.failOnDemand({ status: 403, message: 'no', path: '/consumers', times: 100 });
    await server.send('events', 'fails always');
    let receipts = 0;
    consume(async () => {
      receipts += 1;
      return { kind: 'retry', delaySeconds: 0, error: failure() };
    });
    await untilEmpty();
    const { messages } = await deadLetters.peek(10);
    expect({ receipts, bodies: messages.map(({ body }) => body) }).toEqual({ receipts: 3, bodies: ['fails always'] });
  });
});

describe('polling', () => {
  test('an empty queue is asked ever less often, and a full one at once', async () => {
    const consumer = consume(done, { firstIdlePauseMs: 200, maxIdlePauseMs: 800, random: () => 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    // At 0, 200, 600 and 1,400 ms.
    expect(calls(pullPath).length).toBeLessThan(6);
    for (let index = 0; index < 30; index += 1) await server.send('events', `message ${index}`);
    const before = performance.now();
    await untilEmpty();
    expect(performance.now() - before).toBeLessThan(2_500);
    await consumer.stop();
  });

  test('while paused nothing is received', async () => {
    const seen: string[] = [];
    const consumer = consume(async ({ body }) => {
      seen.push(body);
      return { kind: 'done' };
    });
    await until(() => expect(consumer.status().lastPollMs).toBeDefined());
    consumer.pause();
    const pulls = calls(pullPath).length;
    await server.send('events', 'held back');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(calls(pullPath).length - pulls).toBeLessThanOrEqual(1);
    expect({ paused: consumer.status().paused, held: (await held()) + seen.length }).toEqual({ paused: true, held: 1 });
    consumer.resume();
    await untilEmpty();
    expect(seen).toEqual(['held back']);
  });
});

describe('stopping', () => {
  test('a stop in the middle lets the work end and acknowledges it, and receives nothing more', async () => {
    await server.send('events', 'running');
    const started = Promise.withResolvers<void>();
    const work = Promise.withResolvers<void>();
    const seen: string[] = [];
    const consumer = consume(async ({ body }, signal) => {
      seen.push(body);
      started.resolve();
      await work.promise;
      expect(signal.aborted).toBe(false);
      return { kind: 'done' };
    });
    await started.promise;
    let isStopped = false;
    const stopped = consumer.stop().then(() => {
      isStopped = true;
    });
    await server.send('events', 'too late');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isStopped).toBe(false);
    work.resolve();
    await stopped;
    expect(consumer.status()).toMatchObject({ running: false, inFlight: 0 });
    expect(seen).toEqual(['running']);
    expect((await clientOf('events').peek(10)).messages.map(({ body }) => body)).toEqual(['too late']);
  });

  test('messages of the pull that is under way when a stop comes are worked on, not hidden for a lease', async () => {
    await server.send('events', 'just handed out');
    const answering = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const slow: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (String(input).endsWith(pullPath)) {
        answering.resolve();
        await go.promise;
      }
      return response;
    };
    const seen: string[] = [];
    const consumer = consume(
      async ({ body }) => {
        seen.push(body);
        return { kind: 'done' };
      },
      { client: createCloudflareClient({ queueUrl: server.urlOf('events'), token: TOKEN, fetch: slow }) },
    );
    await answering.promise;
    const stopped = consumer.stop();
    go.resolve();
    await stopped;
    expect({ seen, held: await held() }).toEqual({ seen: ['just handed out'], held: 0 });
  });

  const stubborn =
    (started: PromiseWithResolvers<void>, onReceive = 1): HandleMessage =>
    async ({ receiveCount }, signal) => {
      if (receiveCount < onReceive) return { kind: 'retry', delaySeconds: 0, error: failure() };
      started.resolve();
      if (!signal.aborted) await once(signal, 'abort');
      return { kind: 'retry', delaySeconds: 600, error: new MillraceError('CANCELLED', 'stopped') };
    };

  test('a stop that has waited long enough stops the work and gives its message back at once', async () => {
    await server.send('events', 'endless');
    const started = Promise.withResolvers<void>();
    const consumer = consume(stubborn(started), { stopTimeoutMs: 200, visibilityTimeoutSeconds: 60 });
    await started.promise;
    await consumer.stop();
    expect((await clientOf('events').peek(1)).messages).toMatchObject([{ body: 'endless', attempts: 1 }]);
  });

  test('a message stopped on its last receipt is neither dead-lettered nor deleted: it begins anew', async () => {
    await server.send('bare', '{"endless":true}');
    const started = Promise.withResolvers<void>();
    const consumer = consume(stubborn(started, 2), {
      client: clientOf('bare'),
      stopTimeoutMs: 200,
      visibilityTimeoutSeconds: 60,
    });
    await started.promise;
    await consumer.stop();
    expect((await clientOf('bare').peek(5)).messages).toMatchObject([{ body: '{"endless":true}', attempts: 0 }]);
  });

  test('a stop while the queue is away ends too', async () => {
    const consumer = consume(done);
    line.cut();
    await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(1));
    await consumer.stop();
    expect(consumer.status().running).toBe(false);
  });
});
