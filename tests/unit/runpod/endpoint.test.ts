import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger, silentLogger } from '../../../log.ts';
import type { RunRequest } from '../../../pipeline/dispatcher.ts';
import { createRunpodDispatcher, MAX_RUN_BYTES } from '../../../runpod/endpoint.ts';
import { json, type Script, startScriptedServer } from './scripted-server.ts';

const API_KEY = 'rpa_very-secret-key';
const SIGNED_URL = 'https://bucket.example/in.wav?X-Amz-Signature=deadbeef';
const request: RunRequest = {
  endpoint: 'default',
  input: { task: 'AUDIO_TRIM', parameters: { source_uri: SIGNED_URL } },
  executionTimeoutSeconds: 1800,
  ttlSeconds: 7200.0004,
};

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

async function against(script: Script, options: { timeoutMs?: number; now?: () => number } = {}) {
  const server = await startScriptedServer(script);
  open.push(server.close);
  const endpoints = { default: { url: `${server.url}/v2/ep`, apiKey: API_KEY } };
  return { server, dispatcher: createRunpodDispatcher({ endpoints, log: silentLogger, ...options }) };
}

describe('run', () => {
  it('posts the input with the policy in milliseconds and a Bearer key, and answers the run id', async () => {
    const { server, dispatcher } = await against(json(200, { id: 'run-1', status: 'IN_QUEUE' }));

    expect(await dispatcher.run(request)).toEqual({ kind: 'accepted', runId: 'run-1' });

    const [seen] = server.seen;
    expect(seen).toMatchObject({ method: 'POST', url: '/v2/ep/run' });
    expect(seen?.headers).toMatchObject({ authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' });
    expect(JSON.parse(seen?.body ?? '')).toEqual({
      input: request.input,
      policy: { executionTimeout: 1_800_000, ttl: 7_200_001 },
    });
  });

  it('keeps the policy within what RunPod takes', async () => {
    const { server, dispatcher } = await against(json(200, { id: 'run-1' }));

    await dispatcher.run({ ...request, executionTimeoutSeconds: 1, ttlSeconds: 30 * 86_400 });

    expect(JSON.parse(server.seen[0]?.body ?? '').policy).toEqual({ executionTimeout: 5_000, ttl: 604_800_000 });
  });

  it.each([
    [400, 'RUN_REFUSED', false],
    [401, 'RUN_UNAUTHORIZED', false],
    [403, 'RUN_UNAUTHORIZED', false],
    [404, 'RUN_UNAUTHORIZED', false],
    [302, 'RUN_REFUSED', true],
    [429, 'RUN_REFUSED', true],
    [500, 'RUN_REFUSED', true],
    [503, 'RUN_REFUSED', true],
  ])('takes %i for a refusal: %s', async (status, code, retryable) => {
    const { server, dispatcher } = await against(json(status, { error: 'no' }, { location: '/elsewhere' }));

    expect(await dispatcher.run(request)).toMatchObject({ kind: 'refused', error: { code, retryable } });
    expect(server.seen).toHaveLength(1);
  });

  it('passes on how long RunPod asks to wait, in seconds or as a date', async () => {
    const inSeconds = await against(json(429, {}, { 'retry-after': '7' }));
    expect(await inSeconds.dispatcher.run(request)).toMatchObject({ kind: 'refused', retryAfterMs: 7_000 });

    const now = () => Date.parse('2026-11-01T00:00:00Z');
    const asDate = await against(json(429, {}, { 'retry-after': 'Sun, 01 Nov 2026 00:00:30 GMT' }), { now });
    expect(await asDate.dispatcher.run(request)).toMatchObject({ kind: 'refused', retryAfterMs: 30_000 });

    const without = await against(json(429, {}));
    expect(await without.dispatcher.run(request)).not.toHaveProperty('retryAfterMs');
  });

  it.each([504, 524])('is uncertain when a gateway answers %i, because the call went on behind it', async (status) => {
    const { dispatcher } = await against(json(status, {}));
    expect(await dispatcher.run(request)).toMatchObject({ kind: 'uncertain', error: { code: 'RUN_UNCERTAIN' } });
  });

  it('is uncertain when no answer comes in time, and sends nothing again', async () => {
    const { server, dispatcher } = await against(() => {}, { timeoutMs: 1000 });

    expect(await dispatcher.run(request)).toMatchObject({ kind: 'uncertain' });
    expect(server.seen).toHaveLength(1);
  });

  it('is uncertain when the connection breaks after the request was sent', async () => {
    const { server, dispatcher } = await against((_request, response) => void response.destroy());

    expect(await dispatcher.run(request)).toMatchObject({ kind: 'uncertain' });
    expect(server.seen).toHaveLength(1);
  });

  it('is uncertain when the answer breaks off, and when it names no run', async () => {
    const broken = await against((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{"id":');
      setImmediate(() => response.destroy());
    });
    expect(await broken.dispatcher.run(request)).toMatchObject({ kind: 'uncertain' });

    const nameless = await against(json(200, { status: 'IN_QUEUE' }));
    expect(await nameless.dispatcher.run(request)).toMatchObject({ kind: 'uncertain' });
  });

  it('is uncertain when the caller gives up while it waits, and refused when it gave up before', async () => {
    const controller = new AbortController();
    const { server, dispatcher } = await against(() => controller.abort());

    expect(await dispatcher.run(request, controller.signal)).toMatchObject({ kind: 'uncertain' });
    expect(await dispatcher.run(request, controller.signal)).toMatchObject({ kind: 'refused' });
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    ['nobody listens', async () => `http://127.0.0.1:${await closedPort()}/v2/ep`],
    ['the name is unknown', async () => 'https://nothing.invalid/v2/ep'],
  ])('is refused when %s: nothing was sent', async (_case, url) => {
    const endpoints = { default: { url: await url(), apiKey: API_KEY } };
    const dispatcher = createRunpodDispatcher({ endpoints, log: silentLogger });

    expect(await dispatcher.run(request)).toMatchObject({ kind: 'refused', error: { code: 'RUN_REFUSED', retryable: true } });
  });

  it('refuses an input over 10 MB without sending it', async () => {
    const { server, dispatcher } = await against(json(200, { id: 'run-1' }));

    const outcome = await dispatcher.run({ ...request, input: { text: 'é'.repeat(MAX_RUN_BYTES / 2) } });

    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'RUN_TOO_LARGE', retryable: false } });
    expect(server.seen).toHaveLength(0);
  });

  it('refuses an endpoint that the settings do not name', async () => {
    const { dispatcher } = await against(json(200, { id: 'run-1' }));
    const outcome = await dispatcher.run({ ...request, endpoint: 'other' });
    expect(outcome).toMatchObject({ kind: 'refused', error: { code: 'ENDPOINT_NOT_ALLOWED' } });
  });

  it('lets neither the key nor a presigned URL into errors or logs', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'trace', name: 'test', stream: { write: (line) => lines.push(line) } });
    const scripts: Script[] = [json(401, { error: API_KEY }), json(500, {}), (_request, response) => void response.destroy()];
    for (const script of scripts) {
      const server = await startScriptedServer(script);
      open.push(server.close);
      const dispatcher = createRunpodDispatcher({ endpoints: { default: { url: `${server.url}/v2/ep`, apiKey: API_KEY } }, log });
      const outcome = await dispatcher.run(request);
      if (outcome.kind === 'accepted') throw new Error('accepted');
      log.warn({ error: outcome.error }, outcome.error.message);
    }
    expect(lines.length).toBeGreaterThanOrEqual(6);
    expect(lines.join()).not.toContain(API_KEY);
    expect(lines.join()).not.toContain('deadbeef');
  });

  it('refuses a key that no header can hold without quoting it', () => {
    const endpoints = { default: { url: 'ep', apiKey: 'se cret' } };
    expect(() => createRunpodDispatcher({ endpoints, log: silentLogger })).toThrow(/^(?!.*se cret).*holds a space/);
  });
});

describe('status', () => {
  it('asks for the run by its id, with the id kept inside its place in the path', async () => {
    const { server, dispatcher } = await against(json(200, { id: 'x', status: 'IN_QUEUE' }));
    await dispatcher.status('default', '../health?x');
    expect(server.seen[0]).toMatchObject({ method: 'GET', url: '/v2/ep/status/..%2Fhealth%3Fx' });
  });

  it('is unknown where RunPod has forgotten the run', async () => {
    const { dispatcher } = await against(json(404, {}));
    expect(await dispatcher.status('default', 'x')).toEqual({ kind: 'unknown' });
  });

  it.each([429, 500, 504])('throws RUN_REFUSED on %i: that says nothing about the run', async (status) => {
    const { dispatcher } = await against(json(status, {}));
    await expect(dispatcher.status('default', 'x')).rejects.toMatchObject({ code: 'RUN_REFUSED' });
  });

  it('throws RUN_UNAUTHORIZED on 401', async () => {
    const { dispatcher } = await against(json(401, {}));
    await expect(dispatcher.status('default', 'x')).rejects.toMatchObject({ code: 'RUN_UNAUTHORIZED' });
  });

  it('throws RUN_REFUSED on an answer that is no status, rather than guessing', async () => {
    const { dispatcher } = await against(json(200, { id: 'x', status: 'SOMETHING_NEW' }));
    await expect(dispatcher.status('default', 'x')).rejects.toMatchObject({ code: 'RUN_REFUSED' });
  });
});

describe('cancel', () => {
  it.each([200, 400, 404, 409])('is content with %i', async (status) => {
    const { server, dispatcher } = await against(json(status, { status: 'CANCELLED' }));
    await dispatcher.cancel('default', 'run-1');
    expect(server.seen[0]).toMatchObject({ method: 'POST', url: '/v2/ep/cancel/run-1' });
  });

  it('throws RUN_REFUSED where RunPod cannot be asked', async () => {
    const { dispatcher } = await against(json(503, {}));
    await expect(dispatcher.cancel('default', 'run-1')).rejects.toMatchObject({ code: 'RUN_REFUSED' });
  });
});

describe('health', () => {
  it('reads the counts, and takes what is missing for none', async () => {
    const { dispatcher } = await against(json(200, { jobs: { inQueue: 3, completed: 1 }, workers: { running: 2 } }));
    const health = await dispatcher.health('default');
    expect(health.jobs).toEqual({ completed: 1, failed: 0, inProgress: 0, inQueue: 3, retried: 0 });
    expect(health.workers).toMatchObject({ running: 2, throttled: 0 });
  });
});

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
