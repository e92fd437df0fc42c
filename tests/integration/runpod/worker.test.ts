import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type EndpointOptions, type RequestTrace, startEndpoint } from '../../../local/endpoint/endpoint.ts';
import { silentLogger } from '../../../log.ts';
import { parseWorkerEnvironment, reportUnhealthy } from '../../../runpod/worker.ts';
import { startProcess } from './processes.ts';

const API_KEY = 'caller-key';
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-worker-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What the endpoint answers, as far as these tests look. */
const Reply = z.object({
  id: z.string().default(''),
  status: z.string().optional(),
  output: z.unknown().optional(),
  error: z.string().default(''),
  workerId: z.string().optional(),
  jobs: z.object({ retried: z.number() }).optional(),
});

type Seen = RequestTrace & { readonly atMs: number };
type Wanted = (request: Seen) => boolean;

/** An endpoint that remembers every request, and lets a test wait for one. */
async function start(change: Partial<EndpointOptions> = {}) {
  const seen: Seen[] = [];
  const waiting: { readonly wanted: Wanted; readonly found: (request: Seen) => void }[] = [];
  const endpoint = await startEndpoint({
    dataDir: change.dataDir ?? tempFolder(),
    port: 0,
    apiKey: API_KEY,
    log: silentLogger,
    pingIntervalMs: 500,
    ...change,
    onRequest(request) {
      const entry = { ...request, atMs: performance.now() };
      seen.push(entry);
      for (const { wanted, found } of waiting) if (wanted(entry)) found(entry);
      return change.onRequest?.(request);
    },
  });
  cleanUps.push(() => endpoint.close());

  const call = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${API_KEY}` };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    return Reply.parse(await (await fetch(`${endpoint.runUrl}${path}`, init)).json());
  };
  return {
    endpoint,
    seen,
    call,
    run: async (action: string): Promise<string> => (await call('POST', '/run', { input: { action } })).id,
    runSync: (action: string) => call('POST', '/runsync', { input: { action } }),
    status: (id: string) => call('GET', `/status/${id}`),
    /** The next request that is wanted. */
    next: (wanted: Wanted) => new Promise<Seen>((found) => waiting.push({ wanted, found })),
    startWorker(workerId: string, settings: Record<string, unknown> = {}) {
      const worker = startProcess('./fixture-worker.ts', [JSON.stringify(settings)], endpoint.workerEnvironment(workerId));
      cleanUps.push(() => worker.kill());
      return worker;
    },
  };
}

const isTake = ({ url }: RequestTrace) => url.includes('/job-take');
const isPingFor =
  (jobId: string): Wanted =>
  ({ url }) =>
    url.includes('/ping/') && new URL(url, 'http://h').searchParams.get('job_id') === jobId;
const isAnswer = ({ url, body }: RequestTrace) => url.includes('/job-done/') && !body.includes('"IN_PROGRESS"');
const isProgress = ({ url, body }: RequestTrace) => url.includes('/job-done/') && body.includes('"IN_PROGRESS"');
/** The fixture's tasks that take their time say so at once. */
const startOf =
  (jobId: string): Wanted =>
  (request) =>
    isProgress(request) && request.url.includes(jobId);

describe('a worker process', () => {
  it('takes, runs and answers, and speaks as RunPod wants it', async () => {
    const { startWorker, runSync, seen, next } = await start();
    startWorker('pod1');
    const ping = await next(({ url }) => url.includes('/ping/'));

    const status = await runSync('echo');

    expect(status).toMatchObject({
      status: 'COMPLETED',
      workerId: 'pod1',
      output: { statusCode: 200, input: { action: 'echo' }, requestId: status.id, workerId: 'pod1' },
    });
    const take = seen.find(isTake);
    expect(take).toMatchObject({ method: 'GET', url: '/v2/local/job-take/pod1?gpu=This+Machine&job_in_progress=0' });
    const answer = seen.find(isAnswer);
    expect(answer).toMatchObject({
      method: 'POST',
      url: `/v2/local/job-done/pod1/${status.id}?gpu=This+Machine&isStream=false`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-request-id': status.id },
    });
    expect(answer?.headers.authorization).not.toMatch(/^Bearer/);
    expect(seen.find(({ url }) => url.includes('/job-stop/'))?.url).toBe('/v2/local/job-stop/pod1?gpu=This+Machine');
    expect(ping.url).toMatch(/^\/v2\/local\/ping\/pod1\?gpu=This\+Machine&runpod_version=[\d.]+$/);
  });

  it('answers failures with text, survives a task that throws, and goes on', async () => {
    const { startWorker, runSync } = await start();
    startWorker('pod1');

    const failed = await runSync('fail');
    expect(failed.status).toBe('FAILED');
    expect(JSON.parse(failed.error)).toEqual({ code: 'INPUT_INVALID', message: 'not media', retryable: false });
    const threw = await runSync('throw');
    expect(JSON.parse(threw.error)).toMatchObject({ code: 'INTERNAL', message: 'a defect' });
    expect((await runSync('echo')).status).toBe('COMPLETED');
  });

  it('reports progress, not too often, and never after the result', async () => {
    const { startWorker, runSync, seen } = await start();
    startWorker('pod1', { progressIntervalMs: 100 });

    expect((await runSync('progress')).output).toEqual({ statusCode: 200, body: 'done' });

    const posts = seen.filter(({ url }) => url.includes('/job-done/'));
    const reports = posts.filter(isProgress).map(({ body }) => JSON.parse(body));
    expect(reports[0]).toEqual({ status: 'IN_PROGRESS', output: { percent: 5, speed: 2 } });
    expect(reports.length).toBeGreaterThan(1);
    expect(reports.length).toBeLessThan(10);
    expect(posts.findIndex(isAnswer)).toBe(posts.length - 1);
  });

  it('ends a job that RunPod stops, posts nothing for it, and takes the next', async () => {
    const { startWorker, run, runSync, call, next, seen } = await start();
    startWorker('pod1');
    const id = await run('hang');
    await next(startOf(id));

    expect(await call('POST', `/cancel/${id}`)).toMatchObject({ status: 'CANCELLED' });

    expect((await runSync('echo')).status).toBe('COMPLETED');
    expect(seen.filter((request) => isAnswer(request) && request.url.includes(id))).toEqual([]);
  });

  it('pings through two seconds in which its event loop is blocked', async () => {
    const { startWorker, runSync, seen, call } = await start();
    startWorker('pod1');

    const { id, status } = await runSync('block');

    expect(status).toBe('COMPLETED');
    expect(seen.filter(isPingFor(id)).length).toBeGreaterThanOrEqual(3);
    expect((await call('GET', '/health')).jobs?.retried).toBe(0);
  });

  it('takes as many jobs at once as it may run', async () => {
    const { startWorker, run, next, seen, endpoint } = await start();
    for (let n = 0; n < 3; n += 1) await run('hang');
    startWorker('pod1', { concurrency: 3, gracePeriodMs: 0 });

    const ping = await next(({ url }) => (new URL(url, 'http://h').searchParams.get('job_id') ?? '').split(',').length === 3);

    expect(ping.method).toBe('GET');
    expect(seen.find(isTake)?.url).toBe('/v2/local/job-take-batch/pod1?gpu=This+Machine&batch_size=3&job_in_progress=0');
    expect(endpoint.workers.map(({ workerId }) => workerId)).toEqual(['pod1']);
  });

  it('goes on taking with one place free, and says that it is busy', async () => {
    const { startWorker, run, next } = await start();
    await run('hang');
    startWorker('pod1', { concurrency: 2, gracePeriodMs: 0 });
    const { url } = await next((request) => request.url.includes('/job-take/'));
    expect(url).toContain('job_in_progress=1');
  });
});

describe('an answer', () => {
  it('gets through refusals, outages and broken connections', async () => {
    const faults = [
      { kind: 'answer', status: 502 },
      { kind: 'hang-up', handled: false },
      { kind: 'answer', status: 429, headers: { 'retry-after': '0' } },
    ] as const;
    let tried = 0;
    const onRequest = (request: RequestTrace) => (isAnswer(request) ? faults[tried++] : undefined);
    const { startWorker, runSync } = await start({ onRequest });
    startWorker('pod1');

    expect(await runSync('echo')).toMatchObject({ status: 'COMPLETED', output: { body: 'done' } });
    expect(tried).toBe(4);
  });

  it('counts once when the reply to it is lost', async () => {
    let tried = 0;
    const onRequest = (request: RequestTrace) => {
      if (!isAnswer(request)) return undefined;
      tried += 1;
      return tried === 1 ? ({ kind: 'hang-up', handled: true } as const) : undefined;
    };
    const { startWorker, runSync } = await start({ onRequest });
    startWorker('pod1');

    expect((await runSync('echo')).status).toBe('COMPLETED');
    expect((await runSync('echo')).status).toBe('COMPLETED');
    expect(tried).toBe(3);
  });

  it('that is too large is replaced by a short error', async () => {
    const { startWorker, runSync } = await start({ maxResultBytes: 2_000 });
    startWorker('pod1');

    const { status, error } = await runSync('big');
    expect(status).toBe('FAILED');
    expect(JSON.parse(error)).toMatchObject({ code: 'ANSWER_TOO_LARGE', retryable: false });
  });
});

describe('SIGTERM', () => {
  it('ends an idle worker at once, its open poll with it', async () => {
    const { startWorker, next } = await start();
    const worker = startWorker('pod1');
    await next(isTake);
    const startedMs = performance.now();
    worker.child.kill('SIGTERM');

    const { code, stdout } = await worker.exited;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ reason: 'stopped', exitCode: 0, answeredJobs: 0 });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  it('lets the running job finish and be answered, and takes no other', async () => {
    const { startWorker, run, status, next } = await start();
    const worker = startWorker('pod1');
    await next(isTake);
    const id = await run('short');
    await next(startOf(id)).then(() => worker.child.kill('SIGTERM'));
    const other = await run('echo');

    expect(JSON.parse((await worker.exited).stdout)).toMatchObject({ reason: 'stopped', answeredJobs: 1 });
    expect((await status(id)).status).toBe('COMPLETED');
    expect((await status(other)).status).toBe('IN_QUEUE');
  });

  it('cuts a job short that outlasts the grace period, and answers that it may be tried again', async () => {
    const { startWorker, run, status, next } = await start();
    const worker = startWorker('pod1', { gracePeriodMs: 100 });
    const id = await run('hang');
    await next(startOf(id));
    worker.child.kill('SIGTERM');

    expect((await worker.exited).code).toBe(0);
    const { status: state, error } = await status(id);
    expect(state).toBe('FAILED');
    expect(JSON.parse(error)).toMatchObject({ code: 'CANCELLED', retryable: true });
  });
});

describe('SIGKILL', () => {
  it('of a worker puts its job back for the next one', async () => {
    const { startWorker, run, status, next, call } = await start();
    const first = startWorker('pod1');
    const id = await run('short');
    const blocked = await run('echo');
    await next(startOf(id));
    await first.kill();
    startWorker('pod2');

    await next((request) => isAnswer(request) && request.url.includes(id));
    expect(await status(id)).toMatchObject({ status: 'COMPLETED', workerId: 'pod2' });
    expect((await call('GET', '/health')).jobs?.retried).toBe(1);
    expect((await status(blocked)).workerId).toBe('pod2');
  });

  it('of the endpoint loses no job', async () => {
    const dataDir = tempFolder();
    const killed = startProcess('./fixture-endpoint.ts', [dataDir, API_KEY]);
    cleanUps.push(() => killed.kill());
    const url = await killed.firstLine;
    const headers = { authorization: `Bearer ${API_KEY}` };
    const body = JSON.stringify({ input: { action: 'echo' } });
    const accepted = await fetch(`${url}/run`, { method: 'POST', headers, body });
    const { id } = Reply.parse(await accepted.json());
    await killed.kill();

    const { startWorker, status, next } = await start({ dataDir });
    startWorker('pod1');
    await next(isAnswer);
    expect(await status(id)).toMatchObject({ status: 'COMPLETED', output: { input: { action: 'echo' } } });
  });
});

describe('a worker that cannot work', () => {
  it('says so, and why', async () => {
    const { endpoint } = await start();
    const environment = parseWorkerEnvironment(endpoint.workerEnvironment('pod1'));
    expect(await reportUnhealthy(environment, 'ffmpeg', `not found\n${'x'.repeat(400)}`)).toBe(true);
    const [worker] = endpoint.workers;
    expect(worker?.unhealthy?.check).toBe('ffmpeg');
    expect(worker?.unhealthy?.reason).toHaveLength(256);
  });

  it('is not held up by a RunPod that is away', async () => {
    const { endpoint } = await start();
    const environment = parseWorkerEnvironment(endpoint.workerEnvironment('pod1'));
    await endpoint.close();
    expect(await reportUnhealthy(environment, 'ffmpeg', 'not found')).toBe(false);
  });
});
