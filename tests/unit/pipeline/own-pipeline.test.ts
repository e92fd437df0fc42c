import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../pipeline/plan-types.ts';
import { createJob, dispatchedBy, graphOf, itemOf, onlyDispatch, stageOf } from './job-builder.ts';

const OWN = {
  version: 1,
  stages: {
    small: {
      inputs: { video: { key: 'in.mp4' } },
      task: 'DOWNSAMPLING',
      parameters: { original_video_uri: '${inputs.video}' },
      output: 'small.mp4',
    },
  },
};
const codes = ({ problems }: Plan): string[] => problems.map(({ code }) => code);

describe('a job’s own pipeline.json', () => {
  test('takes the place of the deployment’s', () => {
    const plan = createJob().json('pipeline.json', OWN).file('in.mp4').file('inputs/video/source.mp4').plan();
    expect(dispatchedBy(plan)).toEqual(['small/0']);
  });

  test('stops the job where the deployment does not allow it', () => {
    const plan = createJob()
      .json('pipeline.json', OWN)
      .file('in.mp4')
      .file('inputs/video/source.mp4')
      .plan({ jobPipelines: false });
    expect(plan).toMatchObject({ stages: [], dispatch: [] });
    expect(codes(plan)).toEqual(['JOB_PIPELINE_DISABLED']);
  });

  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'MANIFEST_NOT_JSON'],
    ['no pipeline', { version: 2 }, 'MANIFEST_INVALID'],
    [
      'one that contradicts itself',
      { version: 1, stages: { a: { ...OWN.stages.small, inputs: { video: { stage: 'b' } } } } },
      'GRAPH_INVALID',
    ],
    [
      'one that names an endpoint of its own choice',
      { version: 1, stages: { a: { endpoint: 'theirs', payload: {}, output: 'o' } } },
      'ENDPOINT_NOT_ALLOWED',
    ],
  ])('stops the job where it is %s', (_, document, code) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    const plan = createJob().file('pipeline.json', text).file('in.mp4').file('inputs/video/source.mp4').plan();
    expect(plan).toMatchObject({ stages: [], dispatch: [], cancel: [] });
    expect(codes(plan)).toEqual([code]);
  });

  test('is on without manifests and inputs: then it waits for nothing', () => {
    const fetch = { task: 'STAGE_OBJECT', parameters: { source_uri: 'https://example.com/a' }, output: 'in.mp4' };
    expect(dispatchedBy(createJob().json('pipeline.json', { version: 1, stages: { fetch } }).plan())).toEqual(['fetch/0']);
  });

  test('may name the endpoints that the settings name', () => {
    const pipeline = { version: 1, stages: { a: { endpoint: 'lipsync', payload: { to: '${output}' }, output: 'o' } } };
    expect(dispatchedBy(createJob().json('pipeline.json', pipeline).plan())).toEqual(['a/0']);
  });
});

describe('a URI of the bucket', () => {
  const staging = (source_uri: string) =>
    createJob().json('inputs/sources.json', { sources: [{ source_uri, dest_key: 'in.mp4' }] });

  test('inside the job is an input by its version', () => {
    const job = staging('s3://videos/pipelines/job/raw.mp4');
    expect(itemOf(job.plan(), 'staging')).toMatchObject({ phase: 'waiting', why: 'raw.mp4 is not there' });
    const first = onlyDispatch(job.file('raw.mp4', 'one').plan()).fingerprint;
    expect(onlyDispatch(job.file('raw.mp4', 'two').plan()).fingerprint).not.toBe(first);
  });

  test.each([
    's3://videos/pipelines/another/raw.mp4',
    's3://videos/pipelines/jobs/raw.mp4',
    's3://videos/pipelines/job/../another/raw.mp4',
    's3://videos/pipelines/job/./raw.mp4',
    's3://videos/pipelines-state/claims/x',
    's3://other/raw.mp4',
    'gs://videos/pipelines/job/raw.mp4',
    's3://allowed-too/raw.mp4',
    's3://allowed/../other/raw.mp4',
  ])('%s is refused', (uri) => {
    const plan = staging(uri).plan({ allowedUriPrefixes: ['s3://allowed', 's3://shared/music/'] });
    expect(plan.problems).toMatchObject([{ code: 'URI_NOT_ALLOWED', keys: ['inputs/sources.json'] }]);
    expect(plan.problems[0]?.message).toContain('sources[0]');
    expect(plan.dispatch).toEqual([]);
  });

  test.each(['s3://allowed/raw.mp4', 's3://shared/music/a/b.mp3', 'https://example.com/a?x=1'])('%s is allowed', (uri) => {
    const plan = staging(uri).plan({ allowedUriPrefixes: ['s3://allowed', 's3://shared/music/'] });
    expect(dispatchedBy(plan)).toEqual(['staging/0']);
  });

  test('that the same stage writes is refused: its runs would ask for each other for ever', () => {
    const uri = (key: string) => `s3://videos/pipelines/job/${key}`;
    const sources = [
      { source_uri: uri('a'), dest_key: 'b' },
      { source_uri: uri('b'), dest_key: 'a' },
    ];
    const plan = createJob().json('inputs/sources.json', { sources }).file('a').file('b').plan();
    expect(codes(plan)).toEqual(['URI_NOT_ALLOWED']);
  });

  test('that a later stage writes is refused for the same reason', () => {
    const plan = staging('s3://videos/pipelines/job/exports/output.mp4').file('exports/output.mp4').plan();
    expect(plan.problems[0]?.message).toContain('a URI that encoding does not write');
  });

  test('is refused in a graph’s own parameters too', () => {
    const graph = graphOf({ a: { task: 'STAGE_OBJECT', parameters: { deep: [{ uri: 's3://other/x' }] }, output: 'o' } });
    const plan = createJob(graph).file('pipeline.txt').plan();
    expect(dispatchedBy(plan)).toEqual([]);
    expect(stageOf(plan, 'a').phase).toBe('blocked');
  });

  test('cannot be put together from what the inputs are', () => {
    // As many clips as the other job's segment has for its number.
    const stages = {
      clips: {
        manifest: { keys: ['m.json'], type: 'json' },
        for_each: '${manifest.list}',
        external: true,
        output: 'clip/${index}',
      },
      a: {
        manifest: { keys: ['m.json'], type: 'json' },
        inputs: { clips: { stage: 'clips' } },
        task: 'STAGE_OBJECT',
        parameters: { source_uri: '${manifest.start}${inputs.clips.length}.mp4' },
        output: 'o',
      },
    };
    for (const start of ['s3://videos/pipelines/another/clip_', 's3://other/']) {
      const plan = createJob(graphOf(stages))
        .json('m.json', { list: [1], start })
        .file('clip/0')
        .plan();
      expect(codes(plan)).toEqual(['URI_NOT_ALLOWED']);
      expect(plan.dispatch).toEqual([]);
    }
  });
});

describe('a list that another stage makes', () => {
  const graph = graphOf({
    detect: {
      inputs: { audio: { key: 'master.*' } },
      endpoint: 'lipsync',
      payload: { audio: '${inputs.audio}', to: '${output}' },
      output: 'cuts.json',
    },
    cut: {
      inputs: { audio: { key: 'master.*' }, cuts: { key: 'cuts.json' } },
      for_each: '${inputs.cuts.segments}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.audio}', start_sec: '${item.start}' },
      output: 'cut/${index}.wav',
    },
  });
  const cuts = (...starts: number[]): string => JSON.stringify({ segments: starts.map((start) => ({ start })) });

  function detected(text: string) {
    const job = createJob(graph).file('master.wav');
    const detection = onlyDispatch(job.plan());
    job.claim(detection).file('cuts.json', text);
    return { job, detection };
  }

  test('has its items planned as soon as it lands, and its success is still to be written', () => {
    const { job, detection } = detected(cuts(1, 2));
    const plan = job.plan();
    expect(plan.landed).toMatchObject([
      { stage: 'detect', item: '0', fingerprint: detection.fingerprint, attempt: 1, outputKey: 'cuts.json' },
    ]);
    expect(dispatchedBy(plan)).toEqual(['cut/0', 'cut/1']);
    job.result(detection, 'succeeded');
    expect(job.plan().landed).toEqual([]);
  });

  test('is not cancelled once it has landed', () => {
    const { job } = detected(cuts(1));
    expect(job.file('cancel.json').plan().cancel).toEqual([]);
  });

  test('reruns the entries that changed, and no others', () => {
    const { job, detection } = detected(cuts(1, 2, 3));
    job.result(detection, 'succeeded').work();
    job.file('cuts.json', cuts(1, 7, 3));
    expect(dispatchedBy(job.plan())).toEqual(['cut/1']);
  });

  test('is waited for while it is made again, with all that was made from it', () => {
    const { job, detection } = detected(cuts(1));
    job.result(detection, 'succeeded').work();
    job.file('master.wav', 'another take');
    expect(dispatchedBy(job.plan())).toEqual(['detect/0']);
    expect(stageOf(job.plan(), 'cut').phase).toBe('waiting');
  });

  test.each([
    ['{"segments": []}', 'MANIFEST_INVALID'],
    ['{}', 'MANIFEST_INVALID'],
    ['{', 'MANIFEST_NOT_JSON'],
  ])('is a problem where it is %s', (text, code) => {
    const { job, detection } = detected(text);
    const plan = job.result(detection, 'succeeded').plan();
    expect(plan.problems).toMatchObject([{ code, keys: ['cuts.json'] }]);
    expect(stageOf(plan, 'cut').phase).toBe('blocked');
  });
});

test('items with inputs of their own begin as soon as these are there, each by itself', () => {
  const each = { manifest: { keys: ['m.json'], type: 'json' }, for_each: '${manifest.list}' };
  const graph = graphOf({
    cut: { ...each, task: 'DOWNSAMPLING', output: 'cut/${index}' },
    clip: {
      ...each,
      inputs: { cut: { key: 'cut/${index}' } },
      endpoint: 'lipsync',
      payload: { a: '${inputs.cut}', to: '${output}' },
      output: 'clip/${index}',
    },
    joined: {
      inputs: { clips: { stage: 'clip' } },
      task: 'CONCATENATION',
      parameters: { segment_urls: '${inputs.clips}' },
      output: 'joined',
    },
  });
  const job = createJob(graph).json('m.json', { list: [1, 2] });
  const plan = job.plan();
  job.work({ ...plan, dispatch: plan.dispatch.filter(({ item }) => item === '1') });
  expect(dispatchedBy(job.plan())).toEqual(['cut/0', 'clip/1']);
  expect(itemOf(job.plan(), 'clip')).toMatchObject({ phase: 'waiting', why: 'cut/0 is still to be made by cut' });
  job.work();
  job.work();
  expect(dispatchedBy(job.plan())).toEqual(['joined/0']);
});
