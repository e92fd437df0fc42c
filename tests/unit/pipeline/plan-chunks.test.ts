import { describe, expect, test } from 'vitest';
import { Pipeline } from '../../../manifests/pipeline.ts';
import { createGraph } from '../../../pipeline/graph.ts';
import { planSnapshot } from '../../../pipeline/job-plan.ts';
import type { Plan, PlannedDispatch } from '../../../pipeline/plan-types.ts';
import type { Snapshot } from '../../../pipeline/snapshot.ts';
import {
  createJob,
  dispatchedBy,
  graphOf,
  itemOf,
  type JobBuilder,
  NOW_MS,
  onlyDispatch,
  SETTINGS,
  stageOf,
} from './job-builder.ts';

const SOURCE = 'inputs/video/source.mov';
const LIST = 'stage/downsample/chunks/chunks.json';
const SOUND = 'stage/downsample/chunks/sound.m4a';
const OUTPUT = 'stage/downsample/downsampled.mp4';

const downsample = {
  inputs: { video: { key: 'inputs/video/source.*' } },
  task: 'DOWNSAMPLING',
  parameters: { original_video_uri: '${inputs.video}', resolution: '360p' },
  output: OUTPUT,
};
const chunked = { ...downsample, chunks: { above_sec: 60, chunk_sec: 20 } };

const videoJob = (stage: Record<string, unknown> = chunked): JobBuilder => createJob(graphOf({ downsample: stage })).file(SOURCE);

const chunk = (index: number, frames = 500) => ({ rate: '25/1', start_frame: index * frames, frames });

/** As a worker does where it finds the source to be long. */
function split(job: JobBuilder, run: PlannedDispatch, count = 3, { sound = true, result = true, frames = 500 } = {}): JobBuilder {
  const chunks = Array.from({ length: count }, (_, index) => chunk(index, frames));
  job.claim(run);
  job.json(LIST, { version: 1, fingerprint: run.fingerprint, sound, chunks });
  if (sound) job.file(SOUND, 'sound', { mark: run.fingerprint });
  return result ? job.result(run, 'split') : job;
}

function finish(job: JobBuilder, runs: readonly PlannedDispatch[]): void {
  for (const run of runs) {
    job.claim(run).file(run.outputKey, `made ${run.stage}/${run.item}`, { mark: run.fingerprint });
    job.result(run, 'succeeded');
  }
}

const planOf = (snapshot: Snapshot): Plan =>
  planSnapshot({ graph: graphOf({ downsample: chunked }), settings: SETTINGS, now: () => NOW_MS }, snapshot).plan;

const namesOf = (plan: Plan): string[] => plan.stages.map(({ name }) => name);

describe('a source that nobody has found to be long', () => {
  test('is planned as if the stage had no chunks: the same key, the same fingerprint, no other stage', () => {
    const plain = videoJob(downsample).plan();
    const plan = videoJob().plan();

    expect(onlyDispatch(plan)).toMatchObject({ stage: 'downsample', fingerprint: onlyDispatch(plain).fingerprint });
    expect(plan.stages).toEqual(plain.stages);
  });

  test('is done once it was made whole', () => {
    const job = videoJob();
    job.work();

    expect(namesOf(job.plan())).toEqual(['downsample']);
    expect(itemOf(job.plan(), 'downsample').phase).toBe('done');
    expect(dispatchedBy(job.plan())).toEqual([]);
  });

  test('has no chunks that are waited for while its input is made', () => {
    const graph = graphOf({
      staging: {
        manifest: { keys: ['m.json'], type: 'json' },
        task: 'STAGE_OBJECT',
        parameters: {},
        output: 'inputs/video/source.mov',
      },
      downsample: chunked,
    });
    const plan = createJob(graph).json('m.json', {}).plan();

    expect(namesOf(plan)).toEqual(['staging', 'downsample']);
    expect(stageOf(plan, 'downsample').phase).toBe('waiting');
  });
});

describe('a source that was split', () => {
  test('has one item per chunk, and joins them once all are there', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole);

    const first = job.plan();
    expect(dispatchedBy(first)).toEqual(['downsample-chunks/0', 'downsample-chunks/1', 'downsample-chunks/2']);
    expect(first.dispatch[1]?.graphStage.parameters).toMatchObject({ chunk: '${item}', resolution: '360p' });
    expect(first.dispatch[1]).toMatchObject({ entry: chunk(1), outputKey: 'stage/downsample/chunks/chunk_1.mp4' });
    expect(itemOf(first, 'downsample')).toMatchObject({ phase: 'waiting', why: '0 of 3 outputs of downsample-chunks are there' });

    finish(job, first.dispatch);
    const join = onlyDispatch(job.plan());
    expect(join).toMatchObject({ stage: 'downsample', attempt: 2, fingerprint: whole.fingerprint, outputKey: OUTPUT });
    expect(join.graphStage).toMatchObject({ task: 'JOIN_CHUNKS', parameters: { chunks: [chunk(0), chunk(1), chunk(2)] } });
    expect(join.inputs.get('chunks')?.objects.map(({ key }) => key)).toEqual(first.dispatch.map(({ outputKey }) => outputKey));
    expect(join.inputs.get('sound')?.objects[0]?.key).toBe(SOUND);

    finish(job, [join]);
    const end = job.plan();
    expect(end.dispatch).toEqual([]);
    expect(end.stages.flatMap(({ items }) => items.map(({ phase }) => phase))).toEqual(['done', 'done', 'done', 'done']);
  });

  test('has its chunks made while the sound is still being made', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole, 3, { result: false }).remove(SOUND);

    const plan = job.plan();

    expect(itemOf(plan, 'downsample').phase).toBe('running');
    expect(dispatchedBy(plan)).toEqual(['downsample-chunks/0', 'downsample-chunks/1', 'downsample-chunks/2']);
    expect(plan.cancel).toEqual([]);
  });

  test('is joined without sound where it has none', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()), 2, { sound: false });
    finish(job, job.plan().dispatch);

    expect(onlyDispatch(job.plan()).graphStage.parameters).not.toHaveProperty('sound_url');
  });

  test('is split once more where the worker died between the list and the sound', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole, 2, { result: false }).remove(SOUND).result(whole, 'failed');
    finish(
      job,
      job.plan().dispatch.filter(({ stage }) => stage === 'downsample-chunks'),
    );

    const again = onlyDispatch(job.plan());

    expect(again).toMatchObject({ stage: 'downsample', attempt: 2, graphStage: { task: 'DOWNSAMPLING' } });
  });

  test('is not joined with a sound that was made from something else', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole).file(SOUND, 'of another', { mark: 'f00d' });
    finish(
      job,
      job.plan().dispatch.filter(({ stage }) => stage === 'downsample-chunks'),
    );

    expect(onlyDispatch(job.plan()).graphStage.task).toBe('DOWNSAMPLING');
  });

  test('looks at the mark of the sound before it is joined', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    finish(job, job.plan().dispatch);
    const snapshot = job.snapshot();
    const { marks } = snapshot.facts;
    const unread = {
      ...snapshot,
      facts: { ...snapshot.facts, marks: { get: (id: string) => (id.startsWith(SOUND) ? undefined : marks.get(id)) } },
    };

    const plan = planOf(unread);

    expect(plan.needs.marks.map(({ key }) => key)).toContain(SOUND);
    expect(plan.dispatch).toEqual([]);
  });

  test('has the one chunk made again that failed', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    const [first, second, third] = job.plan().dispatch;
    if (first === undefined || second === undefined || third === undefined) throw new Error('three chunks');
    finish(job, [first, third]);
    job.claim(second).result(second, 'failed');

    expect(onlyDispatch(job.plan())).toMatchObject({ stage: 'downsample-chunks', item: '1', attempt: 2 });
  });

  test('is blocked while a chunk has failed for good, and goes on after a retry', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    const [broken, ...others] = job.plan().dispatch;
    if (broken === undefined) throw new Error('chunks');
    finish(job, others);
    job.claim(broken).result(broken, 'failed', { error: { retryable: false } });

    const plan = job.plan();
    expect(stageOf(plan, 'downsample')).toMatchObject({ phase: 'blocked', why: '1 of 3 items of downsample-chunks failed' });
    expect(plan.dispatch).toEqual([]);
    expect(dispatchedBy(job.retry(broken).plan())).toEqual(['downsample-chunks/0']);
  });

  test('has none of its chunks made where its sound has failed for good', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole, 3, { result: false })
      .remove(SOUND)
      .result(whole, 'failed', { error: { retryable: false } });

    const plan = job.plan();

    expect(plan.dispatch).toEqual([]);
    expect(itemOf(plan, 'downsample-chunks')).toMatchObject({ phase: 'waiting', why: 'downsample is failed' });
  });

  test('may fail to be joined as often as any item, whatever it took to split it', () => {
    const job = videoJob();
    const [first, second] = [1, 2].map((attempt) => ({ ...onlyDispatch(job.plan()), attempt }));
    if (first === undefined || second === undefined) throw new Error('attempts');
    job.claim(first).result(first, 'failed').claim(second).result(second, 'failed');
    split(job, onlyDispatch(job.plan()));
    finish(job, job.plan().dispatch);
    for (let attempt = 4; attempt <= 5; attempt += 1) {
      const join = onlyDispatch(job.plan());
      expect(join).toMatchObject({ attempt, graphStage: { task: 'JOIN_CHUNKS' } });
      job.claim(join).result(join, 'failed');
    }
    const last = onlyDispatch(job.plan());
    job.claim(last).result(last, 'failed');

    expect(itemOf(job.plan(), 'downsample')).toMatchObject({ phase: 'failed', why: expect.stringContaining('failed 3 times') });
  });

  test('is not split for ever where its list is gone each time', () => {
    const job = videoJob();
    for (let splits = 0; splits < 12; splits += 1) split(job, onlyDispatch(job.plan())).remove(LIST);

    expect(itemOf(job.plan(), 'downsample')).toMatchObject({
      phase: 'failed',
      why: expect.stringContaining('ATTEMPTS_EXHAUSTED'),
    });
  });
});

describe('what changes later', () => {
  function doneJob(): JobBuilder {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    finish(job, job.plan().dispatch);
    finish(job, job.plan().dispatch);
    return job;
  }

  test('another source is looked at anew, and its old chunks are nobody’s', () => {
    const job = doneJob().file(SOURCE, 'another take');

    const plan = job.plan();

    expect(onlyDispatch(plan)).toMatchObject({ stage: 'downsample', graphStage: { task: 'DOWNSAMPLING' } });
    expect(namesOf(plan)).toEqual(['downsample']);
  });

  test('a run that makes a chunk of the old source is cancelled', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    const [open] = job.plan().dispatch;
    if (open === undefined) throw new Error('chunks');
    job.claim(open).file(SOURCE, 'another take');

    expect(job.plan().cancel).toMatchObject([{ stage: 'downsample-chunks', item: '0' }]);
  });

  test('other chunks of the same source: those that stayed as they were are not made again', () => {
    const job = videoJob();
    const whole = onlyDispatch(job.plan());
    split(job, whole, 3);
    finish(job, job.plan().dispatch);
    job.json(LIST, {
      version: 1,
      fingerprint: whole.fingerprint,
      sound: true,
      chunks: [chunk(0), chunk(1), { ...chunk(2), frames: 400 }],
    });

    expect(dispatchedBy(job.plan())).toEqual(['downsample-chunks/2']);
  });

  test('chunks that are deleted after they were joined are not missed', () => {
    const job = doneJob()
      .remove('stage/downsample/chunks/chunk_0.mp4')
      .remove('stage/downsample/chunks/chunk_1.mp4')
      .remove(SOUND);

    const plan = job.plan();

    expect(plan.dispatch).toEqual([]);
    expect(stageOf(plan, 'downsample-chunks').items.map(({ phase }) => phase)).toEqual(['done', 'done', 'done']);
    expect(namesOf(job.remove(LIST).plan())).toEqual(['downsample']);
  });

  test('chunks that are deleted before they were joined are shown as removed', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    finish(job, job.plan().dispatch);
    job.remove('stage/downsample/chunks/chunk_1.mp4');

    const plan = job.plan();

    expect(itemOf(plan, 'downsample-chunks', 1).phase).toBe('removed');
    expect(itemOf(plan, 'downsample')).toMatchObject({ phase: 'waiting', why: '2 of 3 outputs of downsample-chunks are there' });
  });

  test('a joined output that is gone is removed, not joined by itself; a retry joins it', () => {
    const job = doneJob().remove(OUTPUT);

    expect(itemOf(job.plan(), 'downsample')).toMatchObject({ phase: 'removed', attempt: 2 });
    expect(job.plan().dispatch).toEqual([]);
    const fingerprint = itemOf(job.plan(), 'downsample').fingerprint;
    job.retry({ stage: 'downsample', item: '0', fingerprint, attempt: 2 });
    expect(onlyDispatch(job.plan())).toMatchObject({ attempt: 3, graphStage: { task: 'JOIN_CHUNKS' } });
  });

  test('an output that its owner puts there ends it, and what still runs is cancelled', () => {
    const job = videoJob();
    split(job, onlyDispatch(job.plan()));
    const [open, ...others] = job.plan().dispatch;
    if (open === undefined) throw new Error('chunks');
    job.claim(open).file(OUTPUT, 'made by hand');

    const plan = job.plan();

    expect(others).toHaveLength(2);
    expect(itemOf(plan, 'downsample').phase).toBe('done');
    expect(plan).toMatchObject({ dispatch: [], cancel: [{ stage: 'downsample-chunks', item: '0' }] });
  });

  test('a list that nobody can read is as good as none', () => {
    const job = videoJob();
    const run = onlyDispatch(job.plan());
    split(job, run).file(LIST, '{');

    expect(onlyDispatch(job.plan())).toMatchObject({ stage: 'downsample', attempt: 2, graphStage: { task: 'DOWNSAMPLING' } });
  });
});

describe('ENCODING in chunks', () => {
  const graph = graphOf({
    encoding: {
      manifest: { keys: ['encoding.json'], type: 'encoding' },
      inputs: { video: { key: 'video.mp4' }, audio: { key: 'audio.wav' } },
      task: 'ENCODING',
      parameters: {
        ...{ id: '${job}', language: '${manifest.language}', subtitles: '${manifest.subtitles}' },
        ...{ input_video_uri: '${inputs.video}', input_audio_uri: '${inputs.audio}' },
      },
      output: 'exports/output.mp4',
      chunks: { above_sec: 60, chunk_sec: 20 },
    },
  });

  test('makes no chunk again because of another sound', () => {
    const job = createJob(graph).json('encoding.json', { language: 'en' }).file('video.mp4').file('audio.wav');
    const chunks = [chunk(0), chunk(1)];
    const splitIt = (run: PlannedDispatch) => {
      const list = { version: 1, fingerprint: run.fingerprint, sound: true, chunks };
      job.claim(run).json('stage/encoding/chunks/chunks.json', list);
      job.file('stage/encoding/chunks/sound.m4a', run.fingerprint, { mark: run.fingerprint }).result(run, 'split');
    };
    splitIt(onlyDispatch(job.plan()));
    finish(job, job.plan().dispatch);
    finish(job, job.plan().dispatch);

    job.file('audio.wav', 'with other music');
    splitIt(onlyDispatch(job.plan()));

    expect(onlyDispatch(job.plan())).toMatchObject({ stage: 'encoding', graphStage: { task: 'JOIN_CHUNKS' } });
  });
});

describe('a graph with chunks', () => {
  test.each([
    ['for a task that is not made in chunks', { ...chunked, task: 'CONCATENATION' }, 'only DOWNSAMPLING and ENCODING'],
    ['with a list', { ...chunked, for_each: '${inputs.video.list}' }, 'for_each'],
  ])('is refused %s', (_, stage, reason) => {
    const parsed = Pipeline.safeParse({ version: 1, stages: { downsample: stage } });
    expect(parsed.error?.issues.map(({ message }) => message)).toEqual([expect.stringContaining(reason)]);
  });

  test('is refused where another stage has the name of its chunks', () => {
    const stages = { downsample: chunked, 'downsample-chunks': { ...downsample, output: 'x.mp4' } };
    expect(createGraph(Pipeline.parse({ version: 1, stages }))).toMatchObject({
      ok: false,
      errors: [{ field: 'stages.downsample.chunks', found: 'downsample-chunks' }],
    });
  });

  test('is refused where that name is too long', () => {
    const stages = { ['a'.repeat(60)]: chunked };
    expect(createGraph(Pipeline.parse({ version: 1, stages }))).toMatchObject({
      ok: false,
      errors: [{ expected: expect.stringContaining('shorter name') }],
    });
  });
});
