import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { RunStatus } from '../../../pipeline/dispatcher.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { settle } from '../../../pipeline/settle-claim.ts';
import { sweep } from '../../../pipeline/sweep.ts';
import { createInMemory, type InMemory, lastItems } from './consumer-in-memory.ts';
import { graphOf } from './job-builder.ts';

const MINUTE_MS = 60_000;

/** Two items of one stage, each a run of its own, dispatched. */
async function running(more: Record<string, unknown> = {}): Promise<InMemory> {
  const graph = graphOf({
    small: {
      manifest: { keys: ['m.json'], type: 'json' },
      for_each: '${manifest.list}',
      task: 'DOWNSAMPLING',
      output: 'small-${index}.mp4',
      patience_sec: 600,
      ...more,
    },
  });
  const world = createInMemory(graph);
  world.put('m.json', { list: [0, 1] });
  await world.reconcile();
  expect(world.runs).toHaveLength(2);
  return world;
}

const endings = (world: InMemory): string[] =>
  world.keys('pipelines/job/results/').map((key) => key.replace(/^.*\/small\/(\d+)\/[0-9a-f]+\./, '$1.').replace('.json', ''));
const claims = (world: InMemory): number => world.keys('pipelines-state/claims/').length;

describe('what an open claim has come to', () => {
  test.each<[string, RunStatus | null, boolean, unknown]>([
    ['queued', { kind: 'queued' }, false, 'leave'],
    ['running, its output there already', { kind: 'running' }, true, 'leave'],
    ['completed, with its output', { kind: 'completed' }, true, { status: 'succeeded' }],
    ['completed without one', { kind: 'completed' }, false, { status: 'failed', error: { code: 'RESULT_MISSING' } }],
    [
      'failed',
      { kind: 'failed', error: 'out of memory' },
      false,
      { status: 'failed', error: { code: 'RUN_FAILED', message: 'out of memory' } },
    ],
    ['failed after its output', { kind: 'failed', error: 'x' }, true, { status: 'succeeded' }],
    ['timed out', { kind: 'timed-out' }, false, { status: 'failed', error: { code: 'RUN_TIMED_OUT' } }],
    ['cancelled', { kind: 'cancelled' }, false, { status: 'cancelled', error: { code: 'CANCELLED' } }],
    ['forgotten', { kind: 'unknown' }, false, { status: 'failed', error: { code: 'RUN_LOST' } }],
    ['forgotten, its output there', { kind: 'unknown' }, true, { status: 'succeeded' }],
    ['never recorded', null, false, { status: 'cancelled', error: { code: 'DISPATCH_LOST' } }],
  ])('%s', (_, status, outputIsThere, expected) => {
    const settlement = settle(status, outputIsThere);
    if (typeof expected === 'string') expect(settlement).toBe(expected);
    else expect(settlement).toMatchObject(expected as object);
  });

  test('what RunPod quotes of a URL’s query is cut off', () => {
    const settlement = settle({ kind: 'failed', error: 'PUT https://b.example/k?X-Amz-Signature=abc said no' }, false);
    expect(JSON.stringify(settlement === 'leave' ? '' : settlement.error?.message)).not.toContain('abc');
  });
});

test('one consumer sweeps in one minute', async () => {
  const world = await running();
  const reports = await Promise.all([sweep(world.source), sweep(world.another()), sweep(world.another())]);
  expect(reports.filter(({ swept }) => swept)).toHaveLength(1);
  world.clockMs += MINUTE_MS;
  expect((await world.sweep()).swept).toBe(true);
});

describe('a claim', () => {
  test('is left alone while it is young, whatever RunPod says', async () => {
    const world = await running();
    world.onStatus = () => ({ kind: 'failed', error: 'x' });
    world.clockMs += 599_000;
    expect(await world.sweep()).toMatchObject({ settled: 0, cleared: 0 });
    expect(claims(world)).toBe(2);
  });

  test('is left alone past its patience while its run still waits', async () => {
    const world = await running();
    world.clockMs += 24 * 60 * MINUTE_MS;
    expect(await world.sweep()).toMatchObject({ settled: 0, cleared: 0 });
  });

  test('past its patience gets the result that RunPod’s status says, and its item another attempt', async () => {
    const world = await running();
    world.clockMs += 601_000;
    world.onStatus = () => ({ kind: 'failed', error: 'x' });
    expect(await world.sweep()).toMatchObject({ settled: 2 });
    expect(endings(world)).toEqual(['0.1.failed', '1.1.failed']);
    expect(world.runs).toHaveLength(2);
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(lastItems(world)[0]?.millrace.attempt).toBe(2);
  });

  test('is a success where the output has its mark, and no more where it has another’s', async () => {
    const world = await running();
    const mark = lastItems(world)[0]?.millrace.fingerprint ?? '';
    const other = lastItems({ ...world, runs: world.runs.slice(0, 1) })[0]?.output_put_url ?? '';
    world.bucket.put('pipelines/job/small-1.mp4', 'made', { metadata: { fingerprint: mark } });
    world.bucket.put(decodeURIComponent(new URL(other).pathname.slice(1)), 'made', { metadata: { fingerprint: 'another' } });
    world.clockMs += 601_000;
    world.onStatus = () => ({ kind: 'completed' });
    await world.sweep();
    expect(endings(world)).toEqual(['0.1.failed', '1.1.succeeded']);
  });

  test('is no success where a person has put the output there', async () => {
    const world = await running();
    world.bucket.put('pipelines/job/small-1.mp4', 'by hand');
    world.clockMs += 601_000;
    world.onStatus = () => ({ kind: 'completed' });
    await world.sweep();
    expect(endings(world)).toEqual(['0.1.failed', '1.1.failed']);
  });

  test('goes once its result has been seen, and not before what this makes possible is done', async () => {
    const world = await running();
    const [item] = lastItems(world);
    // Its event is lost: nobody but the sweep will see this.
    if (item !== undefined) world.finish(item, 'failed');
    let tries = 0;
    const failing = {
      ...world.source,
      wake: async (job: string) => {
        tries += 1;
        if (tries === 1) throw new MillraceError('STORE_UNREACHABLE', 'away');
        await world.source.wake(job);
      },
    };
    expect(await sweep(failing)).toMatchObject({ cleared: 0 });
    expect(claims(world)).toBe(2);
    world.clockMs += MINUTE_MS;
    expect(await sweep(failing)).toMatchObject({ cleared: 1 });
    expect(lastItems(world)[0]?.millrace).toMatchObject({ item: item?.millrace.item, attempt: 2 });
  });

  test('of a finished item goes without waking anybody', async () => {
    const world = await running();
    for (const run of world.runs) for (const item of lastItems({ ...world, runs: [run] })) world.finish(item);
    expect(await world.sweep()).toMatchObject({ cleared: 2, settled: 0 });
    expect(world.woken).toEqual([]);
    expect(claims(world)).toBe(0);
  });

  test('whose run was never recorded costs no attempt', async () => {
    const world = await running();
    for (const key of world.keys('pipelines-state/runs/')) world.bucket.delete(key);
    world.clockMs += 601_000;
    await world.sweep();
    expect(endings(world)).toEqual(['0.1.cancelled', '1.1.cancelled']);
    expect(world.runs).toHaveLength(4);
  });
});

test('what was settled is taken up even if RunPod cannot be asked about the rest', async () => {
  const world = await running();
  world.clockMs += 601_000;
  let asked = 0;
  world.onStatus = () => {
    asked += 1;
    if (asked === 2) throw new MillraceError('RUN_REFUSED', '500');
    return { kind: 'failed', error: 'x' };
  };
  await world.sweep();
  expect(endings(world)).toHaveLength(1);
  expect(world.woken).toEqual(['job']);
  expect(world.keys('pipelines-state/waiting/job/')).toHaveLength(1);
});

describe('another program’s endpoint writes no results, so its runs are asked after at every sweep', () => {
  const another = () => running({ task: undefined, endpoint: 'lipsync', payload: { to: '${output}' } });

  test('one that has failed is settled at once', async () => {
    const world = await another();
    world.onStatus = () => ({ kind: 'failed', error: 'x' });
    expect(await world.sweep()).toMatchObject({ settled: 2 });
  });

  test('one that is not known yet keeps its patience', async () => {
    const world = await another();
    world.onStatus = () => ({ kind: 'unknown' });
    expect(await world.sweep()).toMatchObject({ settled: 0 });
    world.clockMs += 601_000;
    expect(await world.sweep()).toMatchObject({ settled: 2 });
  });

  test('one whose output came without an event is found', async () => {
    const world = await another();
    world.clockMs += 5_000;
    world.put('small-0.mp4', 'made');
    await world.sweep();
    expect(endings(world)).toEqual(['0.1.succeeded']);
  });
});

describe('a job that was held back', () => {
  async function held(): Promise<InMemory> {
    const world = createInMemory();
    world.put('inputs/video/source.mp4', 'video');
    world.onRun = () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', '429') });
    await world.reconcile();
    world.onRun = () => ({ kind: 'accepted', runId: 'run' });
    return world;
  }
  const notes = (world: InMemory): number => world.keys('pipelines-state/waiting/').length;

  test('is taken up when its time has come, and not before', async () => {
    const world = await held();
    expect(await world.sweep()).toMatchObject({ woken: 0 });
    expect(notes(world)).toBe(1);
    world.clockMs += MINUTE_MS;
    expect(await world.sweep()).toMatchObject({ woken: 1 });
    expect(world.runs).toHaveLength(2);
    expect(notes(world)).toBe(0);
  });

  test('keeps its note where it could not be taken up', async () => {
    const world = await held();
    world.clockMs += MINUTE_MS;
    const wake = () => Promise.reject(new MillraceError('STORE_UNREACHABLE', 'away'));
    expect(await sweep({ ...world.source, wake })).toMatchObject({ woken: 0 });
    expect(notes(world)).toBe(1);
  });

  test('keeps a note that was written while it was taken up', async () => {
    const world = await held();
    world.onRun = () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', '429') });
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(notes(world)).toBe(1);
    expect(world.runs).toHaveLength(2);
  });
});

describe('an item that failed', () => {
  const failOnce = async (world: InMemory): Promise<void> => {
    const [item] = lastItems(world);
    if (item !== undefined) world.finish(item, 'failed');
    await world.reconcile();
  };
  const retryNotes = (world: InMemory): string[] =>
    world.keys('pipelines-state/waiting/job/').filter((key) => key.includes('-retry.'));

  test('is tried again after its delay and not before, twice as long each time', async () => {
    const world = await running({ retry_delay_sec: 100 });
    for (const delaySeconds of [100, 200]) {
      const runs = world.runs.length;
      await failOnce(world);
      world.clockMs += delaySeconds * 1000 - 2000;
      expect((await world.reconcile()).retryAtMs).toBeGreaterThan(world.clockMs);
      expect(world.runs).toHaveLength(runs);
      world.clockMs += MINUTE_MS;
      await world.sweep();
      expect(world.runs).toHaveLength(runs + 1);
    }
  });

  test('leaves one note, however often its job is looked at, and no other item waits with it', async () => {
    const world = await running({ retry_delay_sec: 100 });
    await failOnce(world);
    for (let looks = 0; looks < 3; looks += 1) await world.reconcile();
    expect(retryNotes(world)).toHaveLength(1);
    world.put('m.json', { list: [0, 1, 2] });
    await world.reconcile();
    expect(lastItems(world)[0]?.millrace.item).toBe('2');
  });
});

test('an attempt that was cancelled before its run was known has that run cancelled by the sweep', async () => {
  const world = await running();
  const [item] = lastItems(world);
  if (item === undefined) throw new Error('nothing was dispatched');
  const { store, layout: keys } = world.source;
  await store.put(keys.resultKey('job', item.millrace, 'cancelled'), '{}');
  await world.sweep();
  expect(world.cancelled).toEqual([`run-${Number(item.millrace.item) + 1}`]);
});

test('an endpoint that cannot be asked does not keep the claims of another open', async () => {
  const graph = graphOf({
    heard: {
      inputs: { sound: { key: 'a.wav' } },
      endpoint: 'speech',
      payload: { sound: '${inputs.sound}' },
      output: 'heard.json',
    },
    small: { inputs: { sound: { key: 'a.wav' } }, task: 'DOWNSAMPLING', output: 'small.mp4' },
  });
  const world = createInMemory(graph);
  world.put('a.wav', 'sound');
  await world.reconcile();
  const silent = `run-${world.runs.findIndex(({ endpoint }) => endpoint === 'speech') + 1}`;
  world.clockMs += 24 * 60 * MINUTE_MS;
  world.onStatus = (runId) => {
    if (runId === silent) throw new MillraceError('RUN_UNAUTHORIZED', 'no such endpoint');
    return { kind: 'failed', error: 'x' };
  };
  await world.sweep();
  expect(world.keys('pipelines/job/results/').map((key) => key.split('/')[3])).toEqual(['small']);
  expect(world.log.some((line) => line.includes('RUN_UNAUTHORIZED'))).toBe(true);
});

describe('an attempt that was cancelled while RunPod was being asked', () => {
  /** Both items of the stage in one run, cancelled by the time that RunPod answers. */
  async function cancelledInBetween(): Promise<{ world: InMemory; answer: () => Promise<void> }> {
    const graph = graphOf({
      cut: {
        manifest: { keys: ['m.json'], type: 'json' },
        for_each: '${manifest.list}',
        task: 'AUDIO_TRIM',
        output: 'part-${index}.wav',
        items_per_run: 8,
      },
    });
    const world = createInMemory(graph);
    const answered = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { dispatcher } = world.source;
    const run: typeof dispatcher.run = async (request) => {
      const outcome = await dispatcher.run(request);
      asked.resolve();
      await answered.promise;
      return outcome;
    };
    world.put('m.json', { list: [0, 1] });
    const reconciling = reconcile({ ...world.source, dispatcher: { ...dispatcher, run } }, 'job');
    await asked.promise;
    world.put('cancel.json', '{}');
    expect(await world.reconcile()).toMatchObject({ cancelled: 2 });
    expect(world.cancelled).toEqual([]);
    const answer = async () => {
      answered.resolve();
      await reconciling;
    };
    return { world, answer };
  }

  test('has its run cancelled, once for all that it carries, also where a sweep came before the answer', async () => {
    const { world, answer } = await cancelledInBetween();
    await world.sweep();
    expect(claims(world)).toBe(2);
    await answer();
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(world.cancelled).toEqual(['run-1']);
    expect(claims(world)).toBe(0);
  });

  test('is not cancelled twice where its run was known', async () => {
    const world = await running();
    world.put('cancel.json', '{}');
    await world.reconcile();
    expect(world.cancelled).toHaveLength(2);
    expect(await world.sweep()).toMatchObject({ cleared: 2 });
    expect(world.cancelled).toHaveLength(2);
  });

  test('keeps its claim while RunPod cannot be asked to cancel, and the rest of the job goes on', async () => {
    const { world, answer } = await cancelledInBetween();
    await answer();
    world.onCancel = () => {
      throw new MillraceError('RUN_REFUSED', '429');
    };
    await world.sweep();
    expect(claims(world)).toBe(2);
    world.onCancel = () => {};
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(world.cancelled).toEqual(['run-1']);
    expect(claims(world)).toBe(0);
  });

  test('does not keep its claim for an answer that never comes', async () => {
    const { world, answer } = await cancelledInBetween();
    world.clockMs += 4 * MINUTE_MS;
    await world.sweep();
    expect(claims(world)).toBe(0);
    expect(world.cancelled).toEqual([]);
    await answer();
  });
});

test('runs that wait at RunPod past their patience are reported once a sweep, with the endpoint’s health', async () => {
  const world = await running();
  world.clockMs += 601_000;
  world.onStatus = () => ({ kind: 'queued' });
  await world.sweep();
  const lines = world.log.map((line) => JSON.parse(line)).filter(({ message }) => message.includes('past their patience'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: 'error', endpoint: 'default', queued: 2, workers: { unhealthy: 1 } });
  expect(lines[0].message).toContain('workers are unhealthy');
});
