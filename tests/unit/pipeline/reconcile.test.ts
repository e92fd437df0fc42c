import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { dispatchRun } from '../../../pipeline/dispatch-run.ts';
import { createFactStore } from '../../../pipeline/facts.ts';
import { planJob } from '../../../pipeline/job-plan.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { itemsOf } from '../../simulation/run-input.ts';
import { createInMemory, type InMemory, lastItems, layout } from './consumer-in-memory.ts';
import { graphOf, segments, stageOf } from './job-builder.ts';

const MINUTE_MS = 60_000;

function cutting(count: number): InMemory {
  const world = createInMemory();
  world.put('segments.json', segments(count));
  world.put('inputs/audio/master.m4a', 'master');
  return world;
}

function finishAll(world: InMemory): void {
  for (const item of lastItems(world)) world.finish(item);
}

const refusal = (code: 'RUN_REFUSED' | 'RUN_TOO_LARGE' | 'RUN_UNAUTHORIZED', retryAfterMs?: number, retryable?: boolean) => ({
  kind: 'refused' as const,
  error: new MillraceError(code, 'no', retryable === undefined ? {} : { retryable }),
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
});

const results = (world: InMemory): (string | undefined)[] =>
  world.keys('pipelines/job/results/').map((key) => /(\w+)\.json$/.exec(key)?.[1]);

/** When the notes let the job go on, from now. */
const heldMs = (world: InMemory): number[] =>
  world.keys('pipelines-state/waiting/job/').map((key) => Number(/\/(\d{14})-/.exec(key)?.[1]) - world.clockMs);

describe('a run', () => {
  test('carries as many items as its stage allows, each with a claim and a record', async () => {
    const world = cutting(10);
    expect(await world.reconcile()).toMatchObject({ dispatched: 10, cancelled: 0, problems: 0 });
    expect(world.runs.map(({ input }) => itemsOf(input).length).toSorted()).toEqual([2, 8]);
    expect(world.keys('pipelines-state/claims/job/')).toHaveLength(10);
    const [record = ''] = world.keys('pipelines-state/runs/job/segmentation/0/');
    expect(JSON.parse(world.bucket.text(record) ?? '')).toMatchObject({
      endpoint: 'default',
      run_id: expect.stringMatching(/^run-/),
    });
  });

  test('carries what the worker needs, presigned, and the versions that it was planned with', async () => {
    const world = cutting(1);
    await world.reconcile();
    const [item] = lastItems(world);
    expect(item).toMatchObject({ source_uri: expect.stringMatching(/^https:/), start_sec: 0, duration_sec: 1 });
    expect(item?.millrace).toMatchObject({
      ...{ job: 'job', stage: 'segmentation', item: '0', attempt: 1 },
      output_uri: 's3://videos/pipelines/job/stage/segmentation/audio_segments/segment_0.wav',
      output_put_headers: { 'x-amz-meta-fingerprint': item?.millrace.fingerprint },
      input_etags: { source_uri: world.bucket.objects.get('pipelines/job/inputs/audio/master.m4a')?.etag },
    });
    expect(world.runs[0]).toMatchObject({ endpoint: 'default', executionTimeoutSeconds: 600, ttlSeconds: 86_400 });
  });

  test('is asked for once, however many consumers look at the job at once', async () => {
    const world = cutting(20);
    await Promise.all(Array.from({ length: 5 }, () => reconcile(world.another(), 'job')));
    const attempts = world.runs.flatMap(({ input }) =>
      itemsOf(input).map(({ millrace }) => `${millrace.item}.${millrace.attempt}`),
    );
    expect(attempts).toHaveLength(20);
    expect(new Set(attempts).size).toBe(20);
  });

  test('is not asked for where an old plan wins the claim of an attempt that has ended', async () => {
    const world = cutting(1);
    const { plan } = await world.reconcile();
    const [old] = plan.dispatch;
    const [item] = lastItems(world);
    if (item !== undefined && old !== undefined) world.finish(item);
    world.bucket.delete(
      layout.stateKey('claims', 'job', { stage: 'segmentation', item: '0', fingerprint: old?.fingerprint ?? '', attempt: 1 }),
    );
    expect(await dispatchRun(world.source, 'job', plan.dispatch)).toEqual({ kind: 'lost' });
    expect(world.runs).toHaveLength(1);
  });
});

describe('a reconcile that learns nothing writes nothing', () => {
  test.each<[string, (world: InMemory) => void]>([
    ['while items run', () => {}],
    ['once all is done', (world) => finishAll(world)],
    ['while a problem stands', (world) => world.put('inputs/sources.json', '{')],
    ['while cancelled', (world) => world.put('cancel.json', '{}')],
    [
      'while held back',
      (world) => {
        world.onRun = () => refusal('RUN_REFUSED');
        world.put('inputs/video/source.mp4', 'video');
      },
    ],
  ])('%s', async (_, change) => {
    const world = cutting(3);
    await world.reconcile();
    change(world);
    await world.reconcile();
    const before = world.writes();
    await world.reconcile();
    expect(world.writes()).toBe(before);
  });
});

describe('RunPod refuses', () => {
  test('for now: the job waits, and the attempt is not counted', async () => {
    const world = cutting(1);
    world.onRun = () => refusal('RUN_REFUSED');
    expect(await world.reconcile()).toMatchObject({ dispatched: 0 });
    expect(results(world)).toEqual(['refused']);
    expect(heldMs(world)).toEqual([30_000]);
    expect((await world.reconcile()).plan.stopped).toBe('held');
    expect(world.runs).toHaveLength(1);
  });

  test('and the rest of the job is not even tried', async () => {
    const world = cutting(800);
    world.onRun = () => refusal('RUN_REFUSED');
    await world.reconcile();
    // A hundred runs, of which eight are asked for at once.
    expect(world.runs.length).toBeLessThanOrEqual(8);
  });

  test.each([
    ['the key', refusal('RUN_UNAUTHORIZED'), 30_000],
    ['and says for how long', refusal('RUN_REFUSED', 90_000), 90_000],
    ['and asks to wait for ever', refusal('RUN_REFUSED', Number.MAX_SAFE_INTEGER), 60 * MINUTE_MS],
  ])('%s: the job waits', async (_, answer, expectedMs) => {
    const world = cutting(1);
    world.onRun = () => answer;
    await world.reconcile();
    expect(heldMs(world)).toEqual([expectedMs]);
  });

  test.each([
    ['because the run is too large', refusal('RUN_TOO_LARGE')],
    ['and will never take it', refusal('RUN_REFUSED', undefined, false)],
  ])('%s: the item has failed', async (_, answer) => {
    const world = cutting(1);
    world.onRun = () => answer;
    await world.reconcile();
    expect(results(world)).toEqual(['failed']);
    expect(heldMs(world)).toEqual([]);
    expect((await world.reconcile()).plan.stages.find(({ name }) => name === 'segmentation')?.items).toMatchObject([
      { phase: 'failed' },
    ]);
    expect(world.runs).toHaveLength(1);
  });

  test('for a day: every write wakes the job, and still it is asked less and less', async () => {
    const world = cutting(1);
    world.onRun = () => refusal('RUN_REFUSED');
    const endMs = world.clockMs + 24 * 60 * MINUTE_MS;
    for (; world.clockMs < endMs; world.clockMs += MINUTE_MS) {
      // The event of a `refused` result wakes the job at once, as any object's does.
      for (let before = -1; before !== world.bucket.objects.size; ) {
        before = world.bucket.objects.size;
        await world.reconcile();
      }
      await world.sweep();
    }
    expect(world.runs.length).toBeGreaterThan(90);
    expect(world.runs.length).toBeLessThan(110);
    expect(world.keys('pipelines-state/waiting/')).toHaveLength(1);
    expect(world.keys('pipelines-state/sweeps/').length).toBeLessThan(15);
  });
});

describe('RunPod does not answer', () => {
  test('the attempt stays open, and is not asked for again', async () => {
    const world = cutting(1);
    world.onRun = () => ({ kind: 'uncertain', error: new MillraceError('RUN_UNCERTAIN', 'no answer') });
    await world.reconcile();
    world.clockMs += MINUTE_MS;
    const { plan } = await world.reconcile();
    expect(plan.stages.find(({ name }) => name === 'segmentation')?.items).toMatchObject([{ phase: 'running', attempt: 1 }]);
    expect(world.runs).toHaveLength(1);
  });

  test('and the rest of the job waits until the sweep takes it up', async () => {
    const world = cutting(800);
    world.onRun = () => ({ kind: 'uncertain', error: new MillraceError('RUN_UNCERTAIN', 'no answer') });
    await world.reconcile();
    expect(world.runs.length).toBeLessThanOrEqual(8);
    expect(Math.max(...heldMs(world))).toBe(30_000);
    world.onRun = () => ({ kind: 'accepted', runId: 'run' });
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(world.runs.flatMap(({ input }) => itemsOf(input))).toHaveLength(800);
    expect(heldMs(world)).toEqual([]);
  });
});

describe('what nobody wants any more is cancelled', () => {
  test.each([0, 1000])(
    'and a big job that is stopped while it is dispatched is not dispatched to its end (ceiling %i)',
    async (ceiling) => {
      const graph = graphOf({
        small: {
          manifest: { keys: ['m.json'], type: 'json' },
          for_each: '${manifest.list}',
          task: 'DOWNSAMPLING',
          output: 'small-${index}.mp4',
        },
      });
      const world = createInMemory(graph, { maxRunsInFlight: ceiling });
      world.put('m.json', { list: Array.from({ length: 300 }, (_, index) => index) });
      world.onRun = () => {
        if (world.runs.length === 50) world.put('cancel.json', '{}');
        return { kind: 'accepted', runId: `run-${world.runs.length}` };
      };
      const { dispatched } = await world.reconcile();
      expect(dispatched).toBeLessThan(150);
      expect(await world.reconcile()).toMatchObject({ dispatched: 0, cancelled: dispatched });
      world.bucket.delete(layout.jobKey('job', 'cancel.json'));
      world.onRun = () => ({ kind: 'accepted', runId: `run-${world.runs.length}` });
      expect(await world.reconcile()).toMatchObject({ dispatched: 300 });
    },
  );

  test('and what waits for slots costs no look whether it was stopped', async () => {
    const world = createInMemory(undefined, { maxRunsInFlight: 2 });
    world.put('segments.json', segments(800));
    world.put('inputs/audio/master.m4a', 'master');
    expect(await world.reconcile()).toMatchObject({ dispatched: 16 });
    // Of the master, for its mark.
    expect(world.requests.head).toBe(1);
  });

  test('and recorded, once for all items of its run', async () => {
    const world = cutting(3);
    await world.reconcile();
    world.put('cancel.json', '{}');
    expect(await world.reconcile()).toMatchObject({ cancelled: 3 });
    expect(world.cancelled).toEqual(['run-1']);
    expect(results(world)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  test('but a run that carries wanted items too goes on', async () => {
    const world = cutting(3);
    await world.reconcile();
    world.put('segments.json', segments(2));
    expect(await world.reconcile()).toMatchObject({ cancelled: 1 });
    expect(world.cancelled).toEqual([]);
    world.put('cancel.json', '{}');
    await world.reconcile();
    expect(world.cancelled).toEqual(['run-1']);
  });

  test('and is not recorded as cancelled while RunPod cannot be asked', async () => {
    const world = cutting(3);
    await world.reconcile();
    world.put('cancel.json', '{}');
    world.onCancel = () => {
      throw new MillraceError('RUN_REFUSED', '500');
    };
    await world.reconcile();
    expect(results(world)).toEqual([]);
    world.onCancel = () => {};
    await world.reconcile();
    expect(results(world)).toHaveLength(3);
  });
});

test('a problem is written once, beside what it is about', async () => {
  const world = createInMemory();
  world.put('segments.json', '{"segments": [{"start_sec": -1, "duration_sec": 1}]}');
  await world.reconcile();
  const [key = ''] = world.keys('pipelines/job/problems/');
  expect(key).toMatch(/problems\/segments\.json\.[0-9a-f]{32}\.json$/);
  expect(JSON.parse(world.bucket.text(key) ?? '')).toMatchObject({
    ...{ version: 1, job: 'job', code: 'MANIFEST_INVALID', keys: ['segments.json'] },
    errors: [{ field: 'segments[0].start_sec' }],
  });
});

test('what another program’s endpoint has made gets its result, without a signature in it', async () => {
  const payload = { audio: '${inputs.audio}', to: '${output}' };
  const world = createInMemory(
    graphOf({ a: { inputs: { audio: { key: 'in.wav' } }, endpoint: 'lipsync', payload, output: 'o.mp4' } }),
  );
  world.put('in.wav', 'x');
  await world.reconcile();
  expect(world.runs[0]).toMatchObject({
    endpoint: 'lipsync',
    input: { audio: expect.stringContaining('?signature='), to: expect.stringContaining('o.mp4') },
  });
  world.put('o.mp4', 'made');
  await world.reconcile();
  const [key = ''] = world.keys('pipelines/job/results/');
  expect(JSON.parse(world.bucket.text(key) ?? '')).toMatchObject({
    status: 'succeeded',
    output: { output_uri: 's3://videos/pipelines/job/o.mp4' },
  });
});

test('no signature reaches the bucket or the log', async () => {
  const world = cutting(3);
  let calls = 0;
  world.onRun = ({ input }) => {
    calls += 1;
    const message = `refused: ${JSON.stringify(input)}`;
    return calls === 1 ? refusal('RUN_REFUSED') : { kind: 'refused', error: new MillraceError('RUN_REFUSED', message) };
  };
  await world.reconcile();
  world.clockMs += 30 * MINUTE_MS;
  await world.reconcile();
  expect(calls).toBe(2);
  const written = world
    .keys('')
    .map((key) => world.bucket.text(key))
    .join('\n');
  expect(written).toContain('refused: ');
  expect(written).not.toContain('signature=');
  expect(world.log.join('\n')).not.toContain('signature=');
});

test('more failures, marks and documents than one process remembers are read once each', async () => {
  const world = cutting(50);
  const { plan } = await world.reconcile();
  for (const { stage, item, fingerprint } of plan.dispatch) {
    world.bucket.put(layout.resultKey('job', { stage, item, fingerprint, attempt: 1 }, 'failed'), FAILED_FOR_GOOD);
  }
  const forgetful = { ...world.source, facts: createFactStore(world.source, { documents: 1, marks: 1, failures: 1 }) };
  const before = world.requests.get;
  const again = await planJob(forgetful, 'job');
  expect(stageOf(again.plan, 'segmentation').items.every(({ phase }) => phase === 'failed')).toBe(true);
  // The fifty failures, and segments.json.
  expect(world.requests.get - before).toBe(51);
});

test('a run that is carried out twice, and fails in another way the second time, has failed in that way', async () => {
  const world = cutting(1);
  const [dispatch] = (await world.reconcile()).plan.dispatch;
  if (dispatch === undefined) throw new Error('nothing was dispatched');
  const { stage, item, fingerprint } = dispatch;
  const fail = (text: string) =>
    world.bucket.put(layout.resultKey('job', { stage, item, fingerprint, attempt: 1 }, 'failed'), text);
  const phase = async () => stageOf((await world.reconcile()).plan, 'segmentation').items[0]?.phase;
  fail(FAILED_FOR_GOOD);
  expect(await phase()).toBe('failed');
  world.clockMs += MINUTE_MS;
  fail(FAILED_FOR_GOOD.replace('false', 'true'));
  expect(await phase()).toBe('retrying');
});

const FAILED_FOR_GOOD = JSON.stringify({ error: { code: 'INPUT_INVALID', message: 'no media', retryable: false } });

test('an output that comes out the same for other parameters is made once for each', async () => {
  const graph = graphOf({
    small: {
      manifest: { keys: ['m.json'], type: 'json' },
      task: 'DOWNSAMPLING',
      parameters: { resolution: '${manifest.height}' },
      output: 'small.mp4',
    },
  });
  const world = createInMemory(graph);
  for (const height of [360, 480, 720]) {
    world.put('m.json', { height });
    world.clockMs += 2000;
    for (let looks = 0; looks < 3; looks += 1) {
      const before = world.runs.length;
      await world.reconcile();
      const [item] = lastItems(world);
      // The same bytes each time: only the mark changes.
      if (world.runs.length > before && item !== undefined) world.finish(item);
      world.clockMs += 2000;
    }
  }
  expect(world.runs).toHaveLength(3);
});
