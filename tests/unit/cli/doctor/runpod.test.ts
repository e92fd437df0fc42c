import { expect, test } from 'vitest';
import { judgeHealth } from '../../../../cli/doctor/runpod.ts';

const NOBODY = { idle: 0, initializing: 0, ready: 0, running: 0, throttled: 0, unhealthy: 0 };
const judged = (workers: Partial<typeof NOBODY>, inQueue = 0) =>
  judgeHealth('default', { jobs: { inProgress: 0, inQueue }, workers: { ...NOBODY, ...workers } });

test.each([
  ['without work and without workers', {}, 0],
  ['with a worker that is ready', { idle: 1, ready: 1 }, 0],
  ['whose worker starts for what waits', { initializing: 1 }, 5],
  ['with some workers throttled beside one that works', { running: 1, throttled: 2 }, 5],
])('an endpoint %s is healthy', (_, workers, inQueue) => {
  expect(judged(workers, inQueue)).toMatchObject({ outcome: 'ok' });
});

test.each([
  ['a worker is unhealthy', { running: 1, unhealthy: 1 }, 0, /workers are unhealthy/, /logs/],
  ['all workers are throttled', { throttled: 2 }, 3, /throttled: RunPod has no GPU/, /gpu\.pools/],
  ['runs wait and nobody comes', {}, 3, /runs wait, and no worker is there.*3 runs queued/, /workers\.max/],
])('where %s, it is not', (_, workers, inQueue, found, fix) => {
  expect(judged(workers, inQueue)).toMatchObject({
    outcome: 'wrong',
    found: expect.stringMatching(found),
    fix: expect.stringMatching(fix),
  });
});
