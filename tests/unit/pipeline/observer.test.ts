import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { Result } from '../../../manifests/result.ts';
import type { PipelineEvents, Told } from '../../../pipeline/observer.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { sweep } from '../../../pipeline/sweep.ts';
import { untraced } from '../../../trace.ts';
import { createInMemory, lastItems } from './consumer-in-memory.ts';

function observed(options?: Parameters<typeof createInMemory>[1]) {
  const world = createInMemory(undefined, options);
  const told: Told<PipelineEvents>[] = [];
  const source = { ...world.source, observe: (...event: Told<PipelineEvents>) => void told.push(event) };
  world.put('inputs/audio/master.wav', 'sound');
  world.put(
    'segments.json',
    [0, 1, 2].map((start_sec) => ({ start_sec, duration_sec: 1 })),
  );
  return { world, source, told };
}

describe('whoever counts', () => {
  it('is told of a run that RunPod took, with its items', async () => {
    const { source, told } = observed();
    await reconcile(source, 'job');
    expect(told).toEqual([['run requested', { stage: 'segmentation', endpoint: 'default', items: 3, outcome: 'dispatched' }]]);
  });

  it('is told of one that RunPod refused', async () => {
    const { world, source, told } = observed();
    world.onRun = () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', 'no') });
    await reconcile(source, 'job');
    expect(told).toEqual([['run requested', { stage: 'segmentation', endpoint: 'default', items: 3, outcome: 'refused' }]]);
  });

  it('is told how many slots are taken, without those that were just given back', async () => {
    const { world, source, told } = observed({ maxRunsInFlight: 5 });
    await reconcile(source, 'job');
    await reconcile(source, 'job');
    for (const item of lastItems(world)) world.finish(item);
    await reconcile(source, 'job');
    const counts = told.flatMap(([event, about]) => (event === 'slots counted' ? [[...about.taken]] : []));
    expect(counts).toEqual([[], [['default', 1]], []]);
  });

  it('is told of a problem once, however often the job is looked at', async () => {
    const { world, source, told } = observed();
    world.put('segments.json', [{ start_sec: 'x' }]);
    await reconcile(source, 'job');
    await reconcile(source, 'job');
    expect(told).toEqual([['problem written', { code: 'MANIFEST_INVALID' }]]);
  });

  it('is told of a sweep, and of runs that are stuck at an endpoint, with its health', async () => {
    const { world, source, told } = observed();
    await reconcile(source, 'job');
    world.clockMs += 3_600_000;
    await sweep(source);
    const [stuck, swept] = told.slice(-2);
    expect(stuck).toEqual([
      'endpoint stuck',
      { endpoint: 'default', queued: 3, health: expect.objectContaining({ workers: expect.anything() }) },
    ]);
    expect(swept).toEqual(['swept', expect.objectContaining({ settled: 0, audited: null })]);
  });
});

describe('a run that the sweep settles', () => {
  it("keeps RunPod's count of its time, shared out only where it carried one item", async () => {
    const { world, source } = observed();
    await reconcile(source, 'job');
    world.onStatus = () => ({ kind: 'failed', error: 'crashed', executionMs: 4_500 });
    world.clockMs += 3_600_000;
    await sweep(source);
    const keys = world.keys('pipelines/job/results/');
    const results = keys.map((key) => Result.parse(JSON.parse(String(world.bucket.objects.get(key)?.bytes))));
    expect(results).toHaveLength(3);
    for (const result of results) expect(result).toMatchObject({ status: 'failed', endpoint: 'default', execution_sec: 4.5 });
    expect(results.map(({ run_sec }) => run_sec)).toEqual([undefined, undefined, undefined]);
  });
});

it('the trace of the call goes into the payload of every item', async () => {
  const { world, source } = observed();
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  await reconcile({ ...source, trace: { ...untraced, traceparent: () => traceparent } }, 'job');
  expect(lastItems(world).map(({ millrace }) => millrace.traceparent)).toEqual([traceparent, traceparent, traceparent]);
});
