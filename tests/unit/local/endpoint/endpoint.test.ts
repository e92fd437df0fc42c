import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type EndpointOptions,
  type LocalEndpoint,
  MAX_RUN_BODY_BYTES,
  startEndpoint,
} from '../../../../local/endpoint/endpoint.ts';
import { createLogger, silentLogger } from '../../../../log.ts';
import { createRunpodDispatcher } from '../../../../runpod/endpoint.ts';
import { parseWorkerEnvironment } from '../../../../runpod/worker-environment.ts';
import { pingUrl, resultUrl, stopListUrl, takeUrl, unhealthyUrl } from '../../../../runpod/worker-urls.ts';

const API_KEY = 'caller-key';
const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-endpoint-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(change: Partial<EndpointOptions> = {}) {
  const options = { dataDir: change.dataDir ?? tempFolder(), port: 0, apiKey: API_KEY, log: silentLogger, ...change };
  const endpoint = await startEndpoint(options);
  cleanUps.push(() => endpoint.close());
  return { endpoint, ...caller(endpoint), ...worker(endpoint, 'w1') };
}

function caller({ runUrl }: LocalEndpoint) {
  const call = async (method: string, path: string, body?: string, authorization = `Bearer ${API_KEY}`) => {
    const response = await fetch(`${runUrl}${path}`, {
      method,
      headers: { authorization },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
  };
  const run = async (input: unknown = { n: 1 }, policy?: unknown): Promise<string> => {
    const { json } = await call('POST', '/run', JSON.stringify({ input, policy }));
    return json.id;
  };
  return { call, run };
}

/** Speaks the container's side of the protocol by hand. */
function worker(endpoint: LocalEndpoint, workerId: string) {
  const environment = parseWorkerEnvironment(endpoint.workerEnvironment(workerId));
  const send = async (url: string | undefined, init: RequestInit = {}) => {
    if (url === undefined) throw new Error('no such URL');
    const response = await fetch(url, { headers: { authorization: environment.apiKey }, ...init });
    const text = await response.text();
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
  };
  const ping = environment.pingUrl ?? '';
  return {
    environment,
    take: (batchSize = 1, init: RequestInit = {}) =>
      send(takeUrl(environment, { batchSize, jobInProgress: false }), {
        headers: { authorization: environment.apiKey },
        ...init,
      }),
    stopList: () => send(stopListUrl(environment)),
    ping: (...jobIds: string[]) => send(pingUrl(ping, jobIds)),
    unhealthy: (check: string, reason: string) => send(unhealthyUrl(ping, check, reason)),
    done: (jobId: string, body: unknown) =>
      send(resultUrl(environment, jobId), {
        method: 'POST',
        headers: { authorization: environment.apiKey, 'content-type': 'application/x-www-form-urlencoded' },
        body: JSON.stringify(body),
      }),
  };
}

describe("a job's way", () => {
  it('goes from /run through take, progress and result to /status', async () => {
    let nowMs = 1_000;
    const { call, run, take, done } = await start({ now: () => nowMs });
    const id = await run({ text: 'ü' });
    expect((await call('GET', `/status/${id}`)).json).toEqual({ id, status: 'IN_QUEUE', delayTime: 0 });

    nowMs += 250;
    expect(await take()).toEqual({ status: 200, json: { id, input: { text: 'ü' } } });
    await done(id, { status: 'IN_PROGRESS', output: { percent: 40 } });
    expect((await call('GET', `/status/${id}`)).json).toMatchObject({
      status: 'IN_PROGRESS',
      workerId: 'w1',
      output: { percent: 40 },
    });

    nowMs += 1_000;
    expect((await done(id, { output: { fine: true } })).status).toBe(200);
    expect((await call('GET', `/status/${id}`)).json).toEqual({
      id,
      status: 'COMPLETED',
      delayTime: 250,
      executionTime: 1_000,
      workerId: 'w1',
      output: { fine: true },
    });
  });

  it('fails on an error that is text, and completes without output on one that is not, as RunPod does', async () => {
    const { call, run, take, done } = await start();
    const [first, second] = [await run(), await run()];
    await take(2);
    await done(first, { error: 'no' });
    await done(second, { error: { message: 'no' } });
    expect((await call('GET', `/status/${first}`)).json).toMatchObject({ status: 'FAILED', error: 'no' });
    const { json } = await call('GET', `/status/${second}`);
    expect(json.status).toBe('COMPLETED');
    expect(json).not.toHaveProperty('output');
  });

  it('can be followed by the dispatcher of the pipeline', async () => {
    const { endpoint, take, done } = await start();
    const dispatcher = createRunpodDispatcher({
      endpoints: { default: { url: endpoint.runUrl, apiKey: API_KEY } },
      log: silentLogger,
    });
    const request = { endpoint: 'default', input: { n: 1 }, executionTimeoutSeconds: 60, ttlSeconds: 600 };
    const outcome = await dispatcher.run(request);
    if (outcome.kind !== 'accepted') throw new Error(outcome.kind);
    const { runId } = outcome;
    expect(await dispatcher.status('default', runId)).toEqual({ kind: 'queued' });
    await take();
    expect(await dispatcher.status('default', runId)).toEqual({ kind: 'running' });
    await dispatcher.cancel('default', runId);
    expect(await dispatcher.status('default', runId)).toMatchObject({ kind: 'cancelled' });
    expect((await done(runId, { output: 1 })).status).toBe(404);
    await dispatcher.cancel('default', runId);
    await dispatcher.cancel('default', 'never-there');
    expect(await dispatcher.status('default', 'never-there')).toEqual({ kind: 'unknown' });
    expect((await dispatcher.health('default')).workers).toMatchObject({ idle: 1, ready: 1, running: 0 });
  });
});

describe('a long poll', () => {
  it('is answered the moment a job comes', async () => {
    const { run, take } = await start();
    const polling = take();
    const id = await run();
    expect((await polling).json.id).toBe(id);
  });

  it('ends with 204 when its time is over', async () => {
    const { take, stopList } = await start({ holdMs: 30 });
    expect((await take()).status).toBe(204);
    expect((await stopList()).status).toBe(204);
  });

  it('hands over no job to a worker that has hung up', async () => {
    const { endpoint, run, take } = await start();
    const controller = new AbortController();
    const polling = take(1, { signal: controller.signal });
    controller.abort();
    await expect(polling).rejects.toThrow();
    const id = await run();
    expect((await worker(endpoint, 'w2').take()).json.id).toBe(id);
  });

  it('hands over several jobs to a worker that asks for several', async () => {
    const { run, take } = await start();
    const ids = [await run(), await run(), await run()];
    const { json } = await take(2);
    expect(json.map((job: { id: string }) => job.id)).toEqual(ids.slice(0, 2));
  });

  it('tells a worker at once which job to stop', async () => {
    const { call, run, take, stopList } = await start();
    const id = await run();
    await take();
    const polling = stopList();
    await call('POST', `/cancel/${id}`);
    expect((await polling).json).toEqual({ jobsToStop: [id] });
  });
});

describe('what is refused', () => {
  it.each([
    ['no key', ''],
    ['a wrong key', 'Bearer other'],
    ['the key without Bearer', API_KEY],
  ])('is a caller with %s', async (_case, authorization) => {
    const { call } = await start();
    expect((await call('GET', '/health', undefined, authorization)).status).toBe(401);
  });

  it("is a worker with the caller's key, or with Bearer before its own", async () => {
    const { environment } = await start();
    for (const authorization of [API_KEY, `Bearer ${API_KEY}`, `Bearer ${environment.apiKey}`]) {
      const response = await fetch(environment.takeUrl, { headers: { authorization } });
      expect(response.status).toBe(401);
    }
  });

  it('is an endpoint, a call or a job that is not there', async () => {
    const { endpoint, call } = await start();
    const headers = { authorization: `Bearer ${API_KEY}` };
    expect((await fetch(`${endpoint.endpoint}/v2/other/health`, { headers })).status).toBe(404);
    expect((await call('GET', '/nothing')).status).toBe(404);
    expect((await call('GET', '/status/nothing')).status).toBe(404);
    expect((await call('GET', '/stream/nothing')).status).toBe(501);
  });

  it.each([
    ['no JSON', '{', 'body'],
    ['no input', '{"inputs":{}}', 'input'],
    ['a timeout under five seconds', '{"input":{},"policy":{"executionTimeout":4999}}', 'policy.executionTimeout'],
    ['a time to live over a week', '{"input":{},"policy":{"ttl":604800001}}', 'policy.ttl'],
    ['a webhook', '{"input":{},"webhook":"https://x.example"}', 'webhook'],
  ])('is a run with %s', async (_case, body, field) => {
    const { call } = await start();
    const { status, json } = await call('POST', '/run', body);
    expect(status).toBe(400);
    expect(json.error).toContain(field);
  });

  it('is a body over 10 MB, and a result over the limit', async () => {
    const { call, run, take, done } = await start({ maxResultBytes: 1_000 });
    expect((await call('POST', '/run', JSON.stringify({ input: { text: 'x'.repeat(MAX_RUN_BODY_BYTES) } }))).status).toBe(400);
    const id = await run();
    await take();
    expect((await done(id, { output: 'x'.repeat(1_000) })).status).toBe(400);
    expect((await call('GET', `/status/${id}`)).json.status).toBe('IN_PROGRESS');
  });
});

describe('a port that is taken', () => {
  it('is named', async () => {
    const { endpoint } = await start();
    const port = Number(new URL(endpoint.endpoint).port);
    await expect(start({ port })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(String(port)),
    });
  });
});

describe('runsync', () => {
  it('answers with the result', async () => {
    const { call, take, done } = await start();
    const syncing = call('POST', '/runsync', '{"input":{"n":2}}');
    const { json: job } = await take();
    await done(job.id, { output: 4 });
    expect((await syncing).json).toMatchObject({ id: job.id, status: 'COMPLETED', output: 4 });
  });

  it('answers with the state it is in when it has waited long enough', async () => {
    const { call } = await start();
    const { json } = await call('POST', '/runsync?wait=1', '{"input":{}}');
    expect(json).toMatchObject({ status: 'IN_QUEUE' });
  });
});

describe('retry, purge-queue and health', () => {
  it('retry what failed, refuse what did not', async () => {
    const { call, run, take, done } = await start();
    const id = await run();
    expect((await call('POST', `/retry/${id}`)).status).toBe(400);
    await take();
    await done(id, { error: 'no' });
    expect((await call('POST', `/retry/${id}`)).json).toEqual({ id, status: 'IN_QUEUE' });
    expect((await take()).json.id).toBe(id);
  });

  it('count jobs and workers', async () => {
    const { call, run, take, ping, unhealthy, endpoint } = await start();
    await run();
    await run();
    await take();
    await ping();
    await worker(endpoint, 'w2').ping();
    await worker(endpoint, 'w3').unhealthy('ffmpeg', 'not found');
    expect((await call('GET', '/health')).json).toEqual({
      jobs: { completed: 0, failed: 0, inProgress: 1, inQueue: 1, retried: 0 },
      workers: { idle: 1, initializing: 0, ready: 2, running: 1, throttled: 0, unhealthy: 1 },
    });
    await unhealthy('disk', 'full');
    expect(endpoint.workers.find(({ workerId }) => workerId === 'w1')?.unhealthy).toEqual({ check: 'disk', reason: 'full' });
    expect((await call('POST', '/purge-queue')).json).toEqual({ removed: 1, status: 'completed' });
  });
});

describe('time', () => {
  it('ends a run at its execution timeout and tells its worker, without anybody asking', async () => {
    let nowMs = 0;
    const { call, run, take, stopList } = await start({ now: () => nowMs, pingIntervalMs: 20_000 });
    const id = await run({}, { executionTimeout: 5_000 });
    await take();
    const polling = stopList();
    nowMs = 5_000;
    expect((await polling).json).toEqual({ jobsToStop: [id] });
    expect((await call('GET', `/status/${id}`)).json.status).toBe('TIMED_OUT');
  });
});

describe('a restart', () => {
  it('keeps queued jobs, keys and results', async () => {
    const dataDir = tempFolder();
    const before = await start({ dataDir });
    const [finished, queued] = [await before.run(), await before.run()];
    await before.take();
    await before.done(finished, { output: 'kept' });
    await before.endpoint.close();

    const after = await start({ dataDir });
    expect((await after.call('GET', `/status/${finished}`)).json.output).toBe('kept');
    expect(after.environment.apiKey).toBe(before.environment.apiKey);
    expect((await after.take()).json.id).toBe(queued);
  });

  it('lets go of every poll that is open, and of the database only after them', async () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', name: 'test', stream: { write: (line) => lines.push(line) } });
    const waiting = new Set(['job-take', 'job-stop', 'runsync']);
    let allWait = () => {};
    const opened = new Promise<void>((resolve) => {
      allWait = resolve;
    });
    const { endpoint, call, take, stopList } = await start({
      log,
      onRequest({ url }) {
        waiting.delete(url.split('/')[3] ?? '');
        if (waiting.size === 0) setImmediate(allWait);
        return undefined;
      },
    });
    const polls = Promise.allSettled([take(), stopList(), call('POST', '/runsync', '{"input":{}}')]);
    await opened;
    await endpoint.close();
    await polls;
    expect(lines).toEqual([]);
  });
});

describe('onRequest', () => {
  it('sees requests as they came and can spoil them', async () => {
    const urls: string[] = [];
    const { call, take } = await start({
      onRequest({ url }) {
        urls.push(url);
        if (url.endsWith('/health')) return { kind: 'answer', status: 429, headers: { 'retry-after': '3' } };
        if (url.endsWith('/run')) return { kind: 'hang-up', handled: true };
        return undefined;
      },
    });
    expect((await call('GET', '/health')).status).toBe(429);
    await expect(call('POST', '/run', '{"input":{"n":7}}')).rejects.toThrow();
    expect((await take()).json.input).toEqual({ n: 7 });
    expect(urls).toEqual(['/v2/local/health', '/v2/local/run', '/v2/local/job-take/w1?gpu=This+Machine&job_in_progress=0']);
  });
});
