import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { RunTask } from '../../../handlers/task.ts';
import { silentLogger } from '../../../log.ts';
import { pause } from '../../../runpod/pause.ts';
import { parseWorkerEnvironment, runWorker, type WorkerOptions } from '../../../runpod/worker.ts';
import { type SeenRequest, startScriptedServer } from './scripted-server.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

type Reply = (response: ServerResponse) => void;
const empty: Reply = (response) => void response.writeHead(204).end();
const status =
  (code: number): Reply =>
  (response) =>
    void response.writeHead(code).end();
const job =
  (...ids: string[]): Reply =>
  (response) =>
    void response.writeHead(200).end(JSON.stringify(ids.map((id) => ({ id, input: { id } }))));
const jobWithout =
  (value: unknown): Reply =>
  (response) =>
    void response.writeHead(200).end(JSON.stringify(value));

const succeed: RunTask = async () => ({ kind: 'succeeded', output: { statusCode: 200, body: 'ok' } });

/** A worker against a server that answers takes with `takes`, one after the other, and then holds them. */
async function work(
  takes: Reply[],
  options: Partial<WorkerOptions> = {},
  onDone: (request: SeenRequest, response: ServerResponse) => void = (_request, response) => void response.writeHead(200).end(),
) {
  const stopping = new AbortController();
  const pauses: number[] = [];
  const server = await startScriptedServer((request, response) => {
    if (request.url.includes('/job-done/')) onDone(request, response);
    else if (request.url.includes('/job-take')) {
      const reply = takes.shift();
      if (reply !== undefined) reply(response);
      else if (options.signal === undefined) stopping.abort();
    }
  });
  open.push(server.close);
  const environment = parseWorkerEnvironment({
    RUNPOD_WEBHOOK_GET_JOB: `${server.url}/job-take/$ID`,
    RUNPOD_WEBHOOK_POST_OUTPUT: `${server.url}/job-done/$RUNPOD_POD_ID/$ID`,
    RUNPOD_AI_API_KEY: 'key',
    RUNPOD_POD_ID: 'pod1',
  });
  const exit = await runWorker({
    environment,
    run: succeed,
    concurrency: 1,
    log: silentLogger,
    signal: stopping.signal,
    random: () => 1,
    // Waits are written down instead of waited for; the long ones are only there to be cut short.
    pause: async (ms, signal) => {
      if (ms > 10_000) return pause(ms, signal);
      pauses.push(Math.round(ms));
    },
    ...options,
  });
  const answers = server.seen.filter(({ url }) => url.includes('/job-done/'));
  const bodies = answers.map(({ url, body }) => ({ id: url.split('/')[3]?.split('?')[0] ?? '', ...JSON.parse(body) }));
  return { exit, bodies, pauses, seen: server.seen };
}

describe('runWorker', () => {
  it('answers a job without an input, goes on after one without an id, and ends when it is told to', async () => {
    const takes = [jobWithout({ id: 'no-input' }), jobWithout({ input: {} }), job('good')];
    const { exit, bodies } = await work(takes);

    expect(bodies.map(({ id }) => id)).toEqual(['no-input', 'good']);
    expect(JSON.parse(bodies[0].error)).toMatchObject({ code: 'PARAMETERS_INVALID', retryable: false });
    expect(exit).toEqual({ reason: 'stopped', exitCode: 0, answeredJobs: 2 });
  });

  it('waits between empty answers that come at once, longer after errors, and five seconds after 429', async () => {
    const { pauses } = await work([empty, status(500), status(500), status(429), status(400)]);

    const [first = 0, ...rest] = pauses;
    expect(first).toBeGreaterThan(500);
    expect(first).toBeLessThanOrEqual(1_000);
    expect(rest.slice(0, 3)).toEqual([1_000, 2_000, 5_000]);
  });

  it('runs a job once that is handed over twice', async () => {
    let runs = 0;
    const once: RunTask = async (input, scope) => {
      runs += 1;
      return succeed(input, scope);
    };
    const { bodies } = await work([job('a', 'a')], { concurrency: 2, run: once });
    expect(runs).toBe(1);
    expect(bodies).toHaveLength(1);
  });

  it('runs a job that arrived as it was told to stop', async () => {
    const stopping = new AbortController();
    const late: Reply = (response) => {
      job('late')(response);
      stopping.abort();
    };
    const { exit, bodies } = await work([late], { signal: stopping.signal });
    expect(bodies).toMatchObject([{ id: 'late', output: { body: 'ok' } }]);
    expect(exit).toMatchObject({ reason: 'stopped', answeredJobs: 1 });
  });

  it('posts a result only when RunPod has answered the progress before it', async () => {
    const order: string[] = [];
    const reporting: RunTask = async (input, scope) => {
      scope.progress({ percent: 50 });
      return succeed(input, scope);
    };
    const hold = (request: SeenRequest, response: ServerResponse) => {
      const isProgress = request.body.includes('IN_PROGRESS');
      order.push(isProgress ? 'progress sent' : 'result sent');
      setTimeout(() => {
        if (isProgress) order.push('progress answered');
        response.writeHead(200).end();
      }, 50);
    };
    await work([job('a')], { run: reporting }, hold);
    expect(order).toEqual(['progress sent', 'progress answered', 'result sent']);
  });

  it('takes nothing when it was told to stop beforehand', async () => {
    const { exit, seen } = await work([job('a')], { signal: AbortSignal.abort() });
    expect(exit.answeredJobs).toBe(0);
    expect(seen.filter(({ url }) => url.includes('/job-take'))).toEqual([]);
  });
});

describe('a machine that keeps failing', () => {
  const failing =
    (...codes: ('GPU_FAILED' | 'DISK_FULL' | 'INPUT_INVALID' | 'ok')[]): RunTask =>
    async (input, scope) => {
      const code = codes.shift() ?? 'ok';
      return code === 'ok' ? succeed(input, scope) : { kind: 'failed', error: new MillraceError(code, 'no') };
    };

  it('asks for a fresh worker with its third answer in a row, and ends', async () => {
    const takes = ['a', 'b', 'c', 'd'].map((id) => job(id));
    const { exit, bodies } = await work(takes, { run: failing('GPU_FAILED', 'DISK_FULL', 'GPU_FAILED') });
    expect(bodies.map(({ id, stopPod }) => [id, stopPod])).toEqual([
      ['a', undefined],
      ['b', undefined],
      ['c', true],
    ]);
    expect(exit).toEqual({ reason: 'refresh', exitCode: 0, answeredJobs: 3 });
  });

  it('goes on when something succeeded in between, or when the inputs were at fault', async () => {
    const takes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => job(id));
    const run = failing('GPU_FAILED', 'GPU_FAILED', 'ok', 'INPUT_INVALID', 'INPUT_INVALID', 'INPUT_INVALID');
    const { exit, bodies } = await work(takes, { run });
    expect(bodies.some(({ stopPod }) => stopPod)).toBe(false);
    expect(exit).toMatchObject({ reason: 'stopped', answeredJobs: 6 });
  });

  it('is not blamed for tasks that outgrow their quota of its disk', async () => {
    const run: RunTask = async () => ({ kind: 'failed', error: new MillraceError('DISK_FULL', 'no', { retryable: false }) });
    const { exit } = await work(
      ['a', 'b', 'c', 'd'].map((id) => job(id)),
      { run },
    );
    expect(exit).toMatchObject({ reason: 'stopped', answeredJobs: 4 });
  });

  const made = (...outputs: Record<string, unknown>[]): RunTask => {
    return async () => ({ kind: 'succeeded', output: { statusCode: 200, body: 'ok', ...outputs.shift() } });
  };
  const FELL = { rung: 'cpu', decoder: 'cpu', encoder: 'libx264', gpu_error: 'GPU_FAILED' };

  it('asks for a fresh worker when the CPU had to make three videos that its GPU failed, whatever needed no GPU between', async () => {
    const takes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => job(id));
    const { exit, bodies } = await work(takes, { run: made(FELL, {}, FELL, { encoder: 'copy', decoder: 'none' }, FELL) });
    expect(bodies.map(({ stopPod }) => stopPod)).toEqual([undefined, undefined, undefined, undefined, true]);
    expect(exit.reason).toBe('refresh');
  });

  it('is trusted again once its GPU has made a video, and not blamed where the GPU was full', async () => {
    const full = { ...FELL, gpu_error: 'GPU_OUT_OF_MEMORY' };
    const takes = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => job(id));
    const run = made(FELL, FELL, { encoder: 'h264_nvenc', decoder: 'cpu' }, FELL, FELL, full);
    expect((await work(takes, { run })).exit).toMatchObject({ reason: 'stopped', answeredJobs: 6 });
  });

  it('is left alone where that is turned off', async () => {
    const takes = ['a', 'b', 'c'].map((id) => job(id));
    const { exit } = await work(takes, { run: failing('GPU_FAILED', 'GPU_FAILED', 'GPU_FAILED'), refreshAfterFailures: 0 });
    expect(exit).toMatchObject({ reason: 'stopped', answeredJobs: 3 });
  });

  it('asks with the last of several answers, when the others are out', async () => {
    const finished: string[] = [];
    const release = new Map<string, () => void>();
    const held: RunTask = (input, scope) =>
      new Promise((resolve) => {
        const end = () => resolve({ kind: 'failed', error: new MillraceError('GPU_FAILED', 'no') });
        if (scope.requestId === 'slow') release.set('slow', () => void succeed(input, scope).then(resolve));
        else end();
      });
    const { exit, bodies } = await work(
      [job('a', 'b', 'slow')],
      { run: held, concurrency: 3, refreshAfterFailures: 2 },
      ({ url }, response) => {
        response.writeHead(200).end();
        finished.push(url);
        if (finished.length === 2) release.get('slow')?.();
      },
    );
    expect(bodies.map(({ id, stopPod }) => [id, stopPod])).toEqual([
      [expect.stringMatching(/^[ab]$/), undefined],
      [expect.stringMatching(/^[ab]$/), undefined],
      ['slow', true],
    ]);
    expect(exit.reason).toBe('refresh');
  });
});
