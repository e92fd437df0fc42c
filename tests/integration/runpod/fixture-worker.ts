/**
 * A worker process for tests: the real loop, with a task that does as its input says. Its settings come as JSON in
 * the first argument; how the loop ended goes to stdout as one line of JSON.
 */

import { MillraceError } from '../../../errors.ts';
import type { RunTask, TaskAnswer } from '../../../handlers/task.ts';
import { createLogger } from '../../../log.ts';
import { pause } from '../../../runpod/pause.ts';
import { parseWorkerEnvironment, runWorker } from '../../../runpod/worker.ts';

const succeeded = (facts: Record<string, unknown>): TaskAnswer => ({
  kind: 'succeeded',
  output: { statusCode: 200, body: 'done', ...facts },
});

const ACTIONS: Readonly<Record<string, RunTask>> = {
  echo: async (input, { requestId, workerId }) => succeeded({ input, requestId, workerId }),
  fail: async () => ({ kind: 'failed', error: new MillraceError('INPUT_INVALID', 'not media') }),
  throw: async () => {
    throw new Error('a defect');
  },
  big: async () => succeeded({ text: 'x'.repeat(5_000) }),
  hang: (_input, { signal, progress }) => {
    progress({ percent: 0 });
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve({ kind: 'cancelled' }), { once: true }));
  },
  short: async (_input, { progress }) => {
    progress({ percent: 0 });
    await pause(1_000);
    return succeeded({});
  },
  progress: async (_input, { progress }) => {
    for (let percent = 5; percent <= 100; percent += 5) {
      progress({ percent, speed: 2 });
      await pause(20);
    }
    return succeeded({});
  },
  block: async () => {
    const endMs = performance.now() + 2_000;
    while (performance.now() < endMs);
    return succeeded({});
  },
};

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());

const exit = await runWorker({
  environment: parseWorkerEnvironment(process.env),
  run: async (input, scope) => {
    const name = typeof input === 'object' && input !== null && 'action' in input ? String(input.action) : '';
    const action = ACTIONS[name];
    if (action === undefined) return { kind: 'failed', error: new MillraceError('TASK_UNKNOWN', 'no such action') };
    return action(input, scope);
  },
  concurrency: 1,
  log: createLogger({ level: 'debug', name: 'fixture-worker' }),
  signal: stopping.signal,
  ...JSON.parse(process.argv[2] ?? '{}'),
});
process.stdout.write(`${JSON.stringify(exit)}\n`);
process.exitCode = exit.exitCode;
