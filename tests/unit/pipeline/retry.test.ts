import { expect, test } from 'vitest';
import { planJob } from '../../../pipeline/job-plan.ts';
import { retriesIn, writeRetries } from '../../../pipeline/retry.ts';
import { createInMemory, lastItems } from './consumer-in-memory.ts';
import { graphOf } from './job-builder.ts';

const MINUTE_MS = 60_000;
const GRAPH = graphOf({ small: { inputs: { video: { key: 'in.mp4' } }, task: 'DOWNSAMPLING', output: 'small.mp4' } });

test('a retry goes on where whoever asked for it died before it looked at the job', async () => {
  const world = createInMemory(GRAPH);
  world.put('in.mp4', 'video');
  await world.reconcile();
  const [item] = lastItems(world);
  if (item === undefined) throw new Error('nothing was dispatched');
  world.finish(item, 'failed', { code: 'INPUT_INVALID', message: 'no picture', retryable: false });
  // Its claim goes: without it nothing but the note leads to the job.
  await world.sweep();
  const { plan } = await planJob(world.source, 'job');
  await writeRetries(world.source, 'job', retriesIn(plan, {}), world.clockMs);
  world.clockMs += 2 * MINUTE_MS;
  await world.sweep();
  expect(lastItems(world)[0]?.millrace.attempt).toBe(2);
  world.clockMs += MINUTE_MS;
  expect(await world.sweep()).toMatchObject({ woken: 0 });
});
