import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../pipeline/plan-types.ts';
import {
  createJob,
  dispatchedBy,
  graphOf,
  itemOf,
  type JobBuilder,
  NOW_MS,
  onlyDispatch,
  segments,
  stageOf,
} from './job-builder.ts';

const SEGMENTS = 'stage/segmentation/segments.json';
const MASTER = 'inputs/audio/master.m4a';

const cutJob = (count: number): JobBuilder => createJob().json(SEGMENTS, segments(count)).file(MASTER);

describe('what arrives first does not matter', () => {
  test('segments before the master, and the master before segments, give the same dispatches', () => {
    const first = createJob().json(SEGMENTS, segments(3));
    expect(dispatchedBy(first.plan())).toEqual([]);
    expect(stageOf(first.plan(), 'segmentation')).toMatchObject({ phase: 'waiting', why: 'inputs/audio/master.* is not there' });
    const second = createJob().file(MASTER);
    expect(dispatchedBy(second.plan())).toEqual([]);
    expect(stageOf(second.plan(), 'segmentation').phase).toBe('off');

    const fingerprints = (job: JobBuilder) => job.plan().dispatch.map(({ item, fingerprint }) => [item, fingerprint]);
    expect(fingerprints(first.file(MASTER))).toEqual(fingerprints(second.json(SEGMENTS, segments(3))));
    expect(fingerprints(first)).toHaveLength(3);
  });

  test('an empty job does nothing', () => {
    const plan = createJob().plan();
    expect(plan.stages.every(({ phase }) => phase === 'off')).toBe(true);
    expect(plan).toMatchObject({ dispatch: [], cancel: [], problems: [], stopped: null });
  });

  test('an array of segments counts as an object that holds one', () => {
    const array = createJob()
      .file(MASTER)
      .json('segments.json', [{ start_sec: 0, duration_sec: 1 }]);
    const object = createJob()
      .file(MASTER)
      .json('segments.json', { segments: [{ start_sec: 0, duration_sec: 1 }] });
    expect(onlyDispatch(array.plan()).fingerprint).toBe(onlyDispatch(object.plan()).fingerprint);
  });
});

describe('only what changed runs again', () => {
  test('nothing, when nothing did', () => {
    const job = cutJob(5);
    job.work();
    expect(dispatchedBy(job.plan())).toEqual([]);
    expect(stageOf(job.plan(), 'segmentation').items.every(({ phase }) => phase === 'done')).toBe(true);
  });

  test('one of a thousand segments', () => {
    const job = cutJob(1000);
    job.work();
    job.json(
      SEGMENTS,
      segments(1000, (index) => (index === 417 ? 0.5 : index)),
    );
    expect(dispatchedBy(job.plan())).toEqual(['segmentation/417']);
  });

  test('all of them when the master is replaced', () => {
    const job = cutJob(20);
    job.work();
    job.file(MASTER, 'another take');
    expect(job.plan().dispatch).toHaveLength(20);
  });

  test('nothing when segments only gain fields of their author’s own', () => {
    const job = cutJob(2);
    job.work();
    job.json(SEGMENTS, { segments: [0, 1].map((start_sec) => ({ start_sec, duration_sec: 1, speaker: 'A' })) });
    expect(dispatchedBy(job.plan())).toEqual([]);
  });

  test('nothing behind an output that a repeated run has written with other bytes', () => {
    const job = createJob().json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/a', dest_key: MASTER }] });
    job.json(SEGMENTS, segments(2));
    const [staged] = job.work();
    job.work();
    job.file(MASTER, 'other bytes', { mark: staged?.fingerprint ?? null });
    expect(dispatchedBy(job.plan())).toEqual([]);
  });

  test('what is behind a staged file that somebody replaces by hand', () => {
    const job = createJob().json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/a', dest_key: MASTER }] });
    job.json(SEGMENTS, segments(2));
    job.work();
    job.work();
    job.file(MASTER, 'mine', { mark: null });
    expect(dispatchedBy(job.plan())).toEqual(['segmentation/0', 'segmentation/1']);
    expect(itemOf(job.plan(), 'staging')).toMatchObject({ phase: 'done', why: 'put there by hand' });
  });

  test('nothing when the manifest that had a file fetched is deleted', () => {
    const job = createJob().json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/a', dest_key: MASTER }] });
    job.json(SEGMENTS, segments(2));
    job.work();
    job.work();
    job.remove('inputs/sources.json');
    expect(dispatchedBy(job.plan())).toEqual([]);
    expect(itemOf(job.plan(), 'segmentation', 1).phase).toBe('done');
  });

  test('nothing when the clips of a finished job are swept away by a lifecycle rule', () => {
    const job = cutJob(2).json('stage/encoding/encoding.json', { language: 'en' });
    for (const index of [0, 1]) job.file(`stage/clips/segment_${index}.mp4`);
    job.work();
    job.work();
    expect(itemOf(job.plan(), 'encoding').phase).toBe('done');
    for (const index of [0, 1]) job.remove(`stage/clips/segment_${index}.mp4`);
    expect(dispatchedBy(job.plan())).toEqual([]);
    expect(itemOf(job.plan(), 'encoding').phase).toBe('done');
  });
});

describe('a list that shrinks', () => {
  const joined = graphOf({
    cut: {
      manifest: { keys: ['m.json'], type: 'json' },
      for_each: '${manifest.list}',
      task: 'DOWNSAMPLING',
      output: 'cut/${index}',
    },
    join: {
      inputs: { parts: { stage: 'cut' } },
      task: 'CONCATENATION',
      parameters: { segment_urls: '${inputs.parts}' },
      output: 'joined.mp4',
    },
  });

  test('leaves outputs behind that nothing counts any more, and what joins them is made anew without them', () => {
    const job = createJob(joined).json('m.json', { list: [0, 1, 2] });
    job.work();
    job.work();
    job.json('m.json', { list: [0, 1] });
    const again = onlyDispatch(job.plan());
    expect(again.stage).toBe('join');
    expect(again.inputs.get('parts')?.objects.map(({ key }) => key)).toEqual(['cut/0', 'cut/1']);
    job.work();
    expect(dispatchedBy(job.plan())).toEqual([]);
  });

  test('has what ran for an entry that is gone cancelled', () => {
    const job = createJob(joined).json('m.json', { list: [0, 1, 2] });
    const [, , third] = job.plan().dispatch;
    if (third === undefined) throw new Error('nothing to dispatch');
    job.claim(third);
    job.json('m.json', { list: [0, 1] });
    expect(job.plan().cancel.map(({ stage, item }) => `${stage}/${item}`)).toEqual(['cut/2']);
  });
});

describe('what is being made is waited for', () => {
  test('a staged master, even while an old one lies there', () => {
    const job = createJob().json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/a', dest_key: MASTER }] });
    job.json(SEGMENTS, segments(2));
    expect(dispatchedBy(job.plan())).toEqual(['staging/0']);
    expect(itemOf(job.plan(), 'segmentation')).toMatchObject({
      phase: 'waiting',
      why: `${MASTER} is still to be made by staging`,
    });
    job.work();
    expect(dispatchedBy(job.plan())).toEqual(['segmentation/0', 'segmentation/1']);
    job.work();
    job.json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/b', dest_key: MASTER }] });
    expect(dispatchedBy(job.plan())).toEqual(['staging/0']);
    expect(itemOf(job.plan(), 'segmentation')).toMatchObject({ phase: 'waiting', why: `${MASTER} is being made by staging` });
  });

  test('the clips: fan-in is off before the first, waits for the last, and takes them in order', () => {
    const job = cutJob(11);
    expect(stageOf(job.plan(), 'clips').phase).toBe('off');
    expect(stageOf(job.plan(), 'concatenation').phase).toBe('off');
    job.file('stage/clips/segment_10.mp4');
    expect(stageOf(job.plan(), 'concatenation')).toMatchObject({ phase: 'waiting', why: '1 of 11 outputs of clips are there' });
    for (let index = 0; index < 10; index += 1) job.file(`stage/clips/segment_${index}.mp4`);
    const joined = job.plan().dispatch.find(({ stage }) => stage === 'concatenation');
    const keys = joined?.inputs.get('clips')?.objects.map(({ key }) => key);
    expect(keys).toEqual(Array.from({ length: 11 }, (_, index) => `stage/clips/segment_${index}.mp4`));
  });

  test('a clip that changes has them joined again', () => {
    const job = createJob().json(SEGMENTS, segments(2));
    for (const index of [0, 1]) job.file(`stage/clips/segment_${index}.mp4`);
    job.work();
    expect(dispatchedBy(job.plan())).toEqual([]);
    job.file('stage/clips/segment_1.mp4', 'better');
    expect(dispatchedBy(job.plan())).toEqual(['concatenation/0']);
  });

  test('a clip that sources.json has fetched is waited for like one that is made elsewhere', () => {
    const source = (index: number) => ({
      source_uri: `https://example.com/${index}`,
      dest_key: `stage/clips/segment_${index}.mp4`,
    });
    const job = createJob()
      .json(SEGMENTS, segments(2))
      .json('inputs/sources.json', { sources: [source(0), source(1)] });
    expect(job.plan().problems).toEqual([]);
    job.work();
    expect(dispatchedBy(job.plan())).toEqual(['concatenation/0']);
  });

  test('subtitles, only where they are asked for', () => {
    const job = createJob()
      .json(SEGMENTS, segments(2))
      .file(MASTER)
      .file('stage/clips/segment_0.mp4')
      .file('stage/clips/segment_1.mp4');
    job.work();
    const without = createEncoding(job, { language: 'en' });
    expect(dispatchedBy(without)).toEqual(['encoding/0']);
    expect([...onlyDispatch(without).inputs.keys()]).toEqual(['video', 'audio']);
    const missing = createEncoding(job, { language: 'pt-BR', subtitles: true });
    expect(itemOf(missing, 'encoding')).toMatchObject({ phase: 'waiting', why: 'inputs/subtitles/pt-BR.ass is not there' });
    job.file('inputs/subtitles/pt-BR.ass');
    expect([...onlyDispatch(job.plan()).inputs.keys()]).toEqual(['video', 'audio', 'subtitles']);
  });
});

function createEncoding(job: JobBuilder, encoding: unknown): Plan {
  return job.json('stage/encoding/encoding.json', encoding).plan();
}

describe('attempts that nobody wants any more are cancelled', () => {
  test('beyond the end of a shorter list, whose old outputs the fan-in then ignores', () => {
    const job = cutJob(4);
    for (const dispatch of job.plan().dispatch) job.claim(dispatch);
    for (const index of [0, 1, 2, 3]) job.file(`stage/clips/segment_${index}.mp4`);
    const before = job.plan();
    expect(before.cancel).toEqual([]);
    job.json(SEGMENTS, segments(2));
    const plan = job.plan();
    expect(plan.cancel.map(({ stage, item }) => `${stage}/${item}`)).toEqual(['segmentation/2', 'segmentation/3']);
    expect(plan.dispatch.find(({ stage }) => stage === 'concatenation')?.inputs.get('clips')?.objects).toHaveLength(2);
  });

  test('with another fingerprint, and do not hold up the new one', () => {
    const job = cutJob(1);
    const old = onlyDispatch(job.plan());
    job.claim(old).file(MASTER, 'another take');
    expect(job.plan().cancel).toEqual([{ stage: 'segmentation', item: '0', fingerprint: old.fingerprint, attempt: 1 }]);
    expect(dispatchedBy(job.plan())).toEqual(['segmentation/0']);
  });

  test('of a stage that is off by now', () => {
    const job = cutJob(1);
    job.claim(onlyDispatch(job.plan())).remove(SEGMENTS);
    expect(job.plan().cancel).toHaveLength(1);
  });

  test.each<[string, (job: JobBuilder) => JobBuilder]>([
    ['a manifest that cannot be read', (job) => job.file(SEGMENTS, '{')],
    ['an input that is away', (job) => job.remove(MASTER)],
    ['two inputs where one is asked for', (job) => job.file('inputs/audio/master.wav')],
    ['a pipeline.json that cannot be used', (job) => job.file('pipeline.json', '{')],
  ])('but not because of %s', (_, change) => {
    const job = cutJob(1);
    job.claim(onlyDispatch(job.plan()));
    expect(change(job).plan().cancel).toEqual([]);
  });
});

describe('a job is stopped', () => {
  test('by cancel.json, with all that runs', () => {
    const job = cutJob(3);
    const [first] = job.plan().dispatch;
    if (first !== undefined) job.claim(first);
    const plan = job.file('cancel.json', 'whatever it says').plan();
    expect(plan).toMatchObject({ stopped: 'cancelled', dispatch: [] });
    expect(plan.cancel.map(({ item }) => item)).toEqual(['0']);
    expect(stageOf(plan, 'segmentation').items.map(({ phase }) => phase)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  test('and what was done stays done', () => {
    const job = cutJob(1);
    job.work();
    expect(itemOf(job.file('cancel.json').plan(), 'segmentation').phase).toBe('done');
  });

  test('until a time, but not longer', () => {
    const job = cutJob(1).heldUntil(NOW_MS + 1);
    expect(job.plan()).toMatchObject({ stopped: 'held', dispatch: [] });
    expect(itemOf(job.plan(), 'segmentation').phase).toBe('held');
    expect(dispatchedBy(job.plan({}, NOW_MS + 1))).toEqual(['segmentation/0']);
  });

  test('and what is held back is still cancelled', () => {
    const job = cutJob(1);
    job
      .claim(onlyDispatch(job.plan()))
      .file(MASTER, 'another take')
      .heldUntil(NOW_MS + 1);
    expect(job.plan().cancel).toHaveLength(1);
  });
});

test('planning says the same twice, and changes nothing', () => {
  const job = cutJob(3);
  const snapshot = job.snapshot();
  expect(job.plan()).toEqual(job.plan());
  expect(job.snapshot().objects).toEqual(snapshot.objects);
});

/** How much more processor time the plan takes for ten times the items; quadratic work would take a hundred times as much. */
function growth(few: number, jobOf: (count: number) => JobBuilder): number {
  const millisecondsFor = (count: number, tries: number): number => {
    const job = jobOf(count);
    // This thread's own, and the least of a few: whatever else the machine does must not count.
    const times = Array.from({ length: tries }, () => {
      const started = process.threadCpuUsage();
      expect(job.plan().problems).toEqual([]);
      // How the two are told apart is a guess of the kernel's, made at its ticks; their sum is exact.
      const { user, system } = process.threadCpuUsage(started);
      return (user + system) / 1000;
    });
    return Math.min(...times);
  };
  const short = millisecondsFor(few, 4);
  return millisecondsFor(10 * few, 2) / short;
}

test('the work of planning grows with the number of segments, and no faster', { timeout: 240_000 }, () => {
  expect(growth(10_000, cutJob)).toBeLessThan(30);
});

test('so does the work of finding inputs that every item has of its own', { timeout: 240_000 }, () => {
  const each = { manifest: { keys: ['m.json'], type: 'json' }, for_each: '${manifest.list}', task: 'DOWNSAMPLING' };
  const graph = graphOf({
    cut: { ...each, output: 'cut/${index}' },
    clip: { ...each, inputs: { cut: { key: 'cut/${index}' } }, output: 'clip/${index}' },
  });
  const jobOf = (count: number) => createJob(graph).json('m.json', { list: Array.from({ length: count }, (_, index) => index) });
  expect(stageOf(jobOf(3).plan(), 'clip').items).toMatchObject([
    { phase: 'waiting' },
    { phase: 'waiting' },
    { phase: 'waiting' },
  ]);
  expect(growth(10_000, jobOf)).toBeLessThan(30);
});
