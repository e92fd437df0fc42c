import { describe, expect, it } from 'vitest';
import type { RunTask } from '../../../handlers/task.ts';
import { silentLogger } from '../../../log.ts';
import { ABORT_PATIENCE_MS, startJobRun } from '../../../runpod/job-run.ts';
import { pause } from '../../../runpod/pause.ts';

const succeed: RunTask = async () => ({ kind: 'succeeded', output: { statusCode: 200, body: 'ok' } });
const untilTold: RunTask = (_input, { signal }) =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'cancelled' }), { once: true }));
const never: RunTask = () => new Promise(() => {});

function start(run: RunTask, { input = {} as unknown, pauses = [] as number[] } = {}) {
  const impatient = async (ms: number) => void pauses.push(ms);
  const options = { run, workerId: 'w', progress: () => {}, log: silentLogger };
  return startJobRun({ id: 'j', input }, { ...options, pause: run === never ? impatient : pause });
}

describe('startJobRun', () => {
  it('answers what the task answers', async () => {
    expect(await start(succeed).end).toMatchObject({ answer: { kind: 'succeeded' }, stuck: false });
  });

  it('turns what a task throws, at once or later, into a failure', async () => {
    const later: RunTask = async () => Promise.reject(new Error('later'));
    const atOnce: RunTask = () => {
      throw new Error('at once');
    };
    for (const run of [later, atOnce]) {
      expect(await start(run).end).toMatchObject({ answer: { kind: 'failed', error: { code: 'INTERNAL' } } });
    }
  });

  it('does not start a task without an input', async () => {
    const job = startJobRun(
      { id: 'j', input: undefined },
      { run: never, workerId: 'w', progress: () => {}, log: silentLogger, pause },
    );
    expect(await job.end).toMatchObject({ answer: { kind: 'failed', error: { code: 'PARAMETERS_INVALID' } } });
  });

  it('has no answer when RunPod stopped it, even in the midst of a shutdown', async () => {
    const stopped = start(untilTold);
    stopped.stop('stopped');
    expect(await stopped.end).toEqual({ answer: undefined, stuck: false });

    const both = start(untilTold);
    both.stop('shutdown');
    both.stop('stopped');
    expect(await both.end).toEqual({ answer: undefined, stuck: false });
  });

  it('is answered as cancelled when the worker must go, and as what it is when it succeeded all the same', async () => {
    const cut = start(untilTold);
    cut.stop('shutdown');
    expect(await cut.end).toEqual({ answer: { kind: 'cancelled' }, stuck: false });

    const lucky = start(succeed);
    lucky.stop('shutdown');
    expect(await lucky.end).toMatchObject({ answer: { kind: 'succeeded' } });
  });

  it('is stuck when the task does not end in time', async () => {
    const pauses: number[] = [];
    const job = start(never, { pauses });
    job.stop('shutdown');
    expect(await job.end).toEqual({ answer: { kind: 'cancelled' }, stuck: true });
    expect(pauses).toEqual([ABORT_PATIENCE_MS]);
  });
});
