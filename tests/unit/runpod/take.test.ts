import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../log.ts';
import { pause } from '../../../runpod/pause.ts';
import { readJobs, takeJobs } from '../../../runpod/take.ts';
import { parseWorkerEnvironment } from '../../../runpod/worker-environment.ts';
import type { WorkerLine } from '../../../runpod/worker-line.ts';
import { json, type Script, startScriptedServer } from './scripted-server.ts';

async function take(script: Script) {
  const server = await startScriptedServer(script);
  try {
    const environment = parseWorkerEnvironment({
      RUNPOD_WEBHOOK_GET_JOB: `${server.url}/job-take/$ID`,
      RUNPOD_WEBHOOK_POST_OUTPUT: `${server.url}/job-done/$ID`,
      RUNPOD_AI_API_KEY: 'key',
    });
    const line: WorkerLine = { environment, log: silentLogger, now: Date.now, random: () => 0, pause, fetch: undefined };
    return await takeJobs(line, { batchSize: 1, jobInProgress: false }, new AbortController().signal);
  } finally {
    await server.close();
  }
}

const status =
  (code: number, headers: Record<string, string> = {}): Script =>
  (_request, response) =>
    void response.writeHead(code, headers).end();

describe('takeJobs', () => {
  it.each([204, 400])('finds no job in a %i', async (code) => {
    expect(await take(status(code))).toEqual({ kind: 'none' });
  });

  it('slows down on 429, for five seconds or as long as it is asked to', async () => {
    expect(await take(status(429))).toEqual({ kind: 'slow-down', waitMs: 5_000 });
    expect(await take(status(429, { 'retry-after': '9' }))).toEqual({ kind: 'slow-down', waitMs: 9_000 });
  });

  it('calls anything else an error', async () => {
    expect(await take(status(500))).toEqual({ kind: 'error', reason: 'RunPod answered 500' });
    expect(await take((_request, response) => void response.destroy())).toMatchObject({ kind: 'error' });
  });

  it('hands over the job', async () => {
    const jobs = [{ id: 'a-u1', input: { task: 'PING' } }];
    expect(await take(json(200, { ...jobs[0], webhook: null, delayTime: 3 }))).toEqual({ kind: 'jobs', jobs, nameless: 0 });
  });
});

describe('readJobs', () => {
  it('reads an array of jobs', () => {
    const text = '[{"id":"a","input":{"x":1}},{"id":"b","input":{"x":2}}]';
    expect(readJobs(text)).toMatchObject({ kind: 'jobs', jobs: [{ id: 'a' }, { id: 'b' }] });
  });

  it.each(['', ' ', 'null', '[]'])('finds no job in %j', (text) => {
    expect(readJobs(text)).toEqual({ kind: 'none' });
  });

  it('keeps a job without an input, so that it can be answered', () => {
    expect(readJobs('{"id":"a"}')).toEqual({ kind: 'jobs', jobs: [{ id: 'a', input: undefined }], nameless: 0 });
    expect(readJobs('{"id":"a","input":null}')).toEqual({ kind: 'jobs', jobs: [{ id: 'a', input: undefined }], nameless: 0 });
  });

  it('counts jobs without an id beside those that have one', () => {
    expect(readJobs('[{"input":{}},{"id":"b","input":{}}]')).toMatchObject({ jobs: [{ id: 'b' }], nameless: 1 });
    expect(readJobs('<html>')).toMatchObject({ jobs: [], nameless: 1 });
  });
});
