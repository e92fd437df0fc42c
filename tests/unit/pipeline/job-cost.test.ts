import { describe, expect, it } from 'vitest';
import { type ResultMemory, readJobCost } from '../../../pipeline/job-cost.ts';
import { planJob } from '../../../pipeline/job-plan.ts';
import { createInMemory, type InMemory, lastItems, layout } from './consumer-in-memory.ts';

const SEGMENTS = [0, 1, 2].map((start_sec) => ({ start_sec, duration_sec: 1 }));

/** Three segments: two done, one failed; each took so many seconds of the run, and two play ten. */
async function workedJob({ run_sec = 1, laterMs = 0 } = {}): Promise<InMemory> {
  const world = createInMemory();
  world.clockMs += laterMs;
  world.put('inputs/audio/master.wav', 'sound');
  world.put('segments.json', SEGMENTS);
  await world.reconcile();
  lastItems(world).forEach((item, index) => {
    const status = index === 2 ? 'failed' : 'succeeded';
    world.finish(item, status);
    const { job, stage, item: name, fingerprint, attempt } = item.millrace;
    const measured = {
      run_id: 'run-1',
      worker_sec: 2,
      run_sec,
      output: { duration_sec: 10 },
      error: { code: 'DISK_FULL', message: '', retryable: true },
    };
    const document = {
      version: 1,
      status,
      job,
      stage,
      item: name,
      fingerprint,
      attempt,
      written_by: 'worker',
      finished_at: '2026-01-01T00:00:00Z',
      ...measured,
    };
    world.bucket.put(layout.resultKey('job', item.millrace, status), JSON.stringify(document));
  });
  return world;
}

const costsOf = (world: InMemory, memory: ResultMemory = new Map()) => ({ ...world.source, prices: { default: 2 }, memory });

describe('the cost of a job', () => {
  it('is read from all its results, with the minutes of the outputs that are there', async () => {
    const world = await workedJob();
    const cost = await readJobCost(costsOf(world), await planJob(world.source, 'job'));
    expect(cost).toMatchObject({ gpuSeconds: 3, usd: 6, attempts: 3, unmeasured: 0, outputMinutes: 20 / 60 });
    expect(cost?.stages.map(({ stage }) => stage)).toEqual(['segmentation']);
  });

  it('reads a result once, however often it is asked', async () => {
    const world = await workedJob();
    const source = costsOf(world);
    const first = await readJobCost(source, await planJob(world.source, 'job'));
    const planned = await planJob(world.source, 'job');
    const before = world.requests.get;
    expect(await readJobCost(source, planned)).toEqual(first);
    expect(world.requests.get).toBe(before);
  });

  it('is read anew for a job that was deleted and came again with the same attempts', async () => {
    const memory: ResultMemory = new Map();
    const first = await workedJob();
    await readJobCost(costsOf(first, memory), await planJob(first.source, 'job'));
    const again = await workedJob({ run_sec: 5, laterMs: 60_000 });
    const cost = await readJobCost(costsOf(again, memory), await planJob(again.source, 'job'));
    expect(cost?.gpuSeconds).toBe(15);
  });

  it('is not read where that would take more requests than allowed', async () => {
    const world = await workedJob();
    const planned = await planJob(world.source, 'job');
    const before = world.requests.get;
    expect(await readJobCost(costsOf(world), planned, { maxReads: 2 })).toBeNull();
    expect(world.requests.get).toBe(before);
    expect(await readJobCost(costsOf(world), planned, { maxReads: 3 })).not.toBeNull();
  });

  it('keeps what replaced outputs have cost, and leaves their minutes out', async () => {
    const world = await workedJob();
    world.put('segments.json', [{ start_sec: 5, duration_sec: 1 }]);
    const cost = await readJobCost(costsOf(world), await planJob(world.source, 'job'));
    expect(cost).toMatchObject({ gpuSeconds: 3, outputMinutes: 0, usdPerOutputMinute: null });
  });
});
