import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../pipeline/plan-types.ts';
import { createJob, dispatchedBy, graphOf, type JobBuilder, segments } from './job-builder.ts';

const SEGMENTS = 'stage/segmentation/segments.json';
const MASTER = 'inputs/audio/master.m4a';

const cutJob = (count: number): JobBuilder => createJob().json(SEGMENTS, segments(count)).file(MASTER);
const codes = ({ problems }: Plan): string[] => problems.map(({ code }) => code);

describe('what its author must mend is a problem', () => {
  test('two masters, by both names', () => {
    const plan = cutJob(1).file('inputs/audio/master.wav').plan();
    expect(plan.problems).toMatchObject([{ code: 'INPUT_AMBIGUOUS', keys: [MASTER, 'inputs/audio/master.wav'], known: false }]);
    expect(plan.problems[0]?.message).toContain(`${MASTER} and inputs/audio/master.wav`);
    expect(plan.dispatch).toEqual([]);
  });

  test('one manifest in two places', () => {
    const plan = cutJob(1).json('segments.json', segments(1)).plan();
    expect(plan.problems).toMatchObject([{ code: 'MANIFEST_TWICE', keys: [SEGMENTS, 'segments.json'] }]);
    expect(plan.dispatch).toEqual([]);
  });

  test.each([
    ['inputs/segments.json', `${SEGMENTS} or segments.json`],
    ['sources.json', 'inputs/sources.json'],
    ['inputs/pipeline.json', 'pipeline.json'],
    ['stage/cancel.json', 'cancel.json'],
    ['encoding.json', 'stage/encoding/encoding.json'],
  ])('%s, where nothing reads it', (key, place) => {
    expect(createJob().json(key, {}).plan().problems).toMatchObject([
      { code: 'MANIFEST_MISPLACED', keys: [key], fix: `Move it to ${place}.` },
    ]);
  });

  test('but not a thousand times', () => {
    const job = createJob();
    for (let index = 0; index < 1000; index += 1) job.json(`archive/${index}/segments.json`, { index });
    expect(job.plan().problems).toHaveLength(20);
  });

  test('a wrong field, by its name', () => {
    const plan = createJob()
      .json(SEGMENTS, { segments: [{ start_sec: 0, duration_sec: -2 }] })
      .plan();
    expect(plan.problems).toMatchObject([{ code: 'MANIFEST_INVALID', keys: [SEGMENTS] }]);
    expect(plan.problems[0]?.message).toContain('segments[0].duration_sec');
  });

  test('a text that is no JSON', () =>
    expect(codes(createJob().file(SEGMENTS, '{"segments":').plan())).toEqual(['MANIFEST_NOT_JSON']));

  test('too many segments, and too many bytes', () => {
    expect(codes(cutJob(3).plan({ maxSegments: 2 }))).toEqual(['MANIFEST_TOO_LARGE']);
    expect(codes(cutJob(3).plan({ maxManifestBytes: 10 }))).toEqual(['MANIFEST_TOO_LARGE']);
  });

  test('again, once the object is another version', () => {
    const job = createJob().file(SEGMENTS, '{');
    const [first] = job.plan().problems;
    const [second] = job.file(SEGMENTS, '[').plan().problems;
    expect(first?.name).not.toBe(second?.name);
  });
});

describe('an output key is refused', () => {
  const staging = (...keys: string[]): JobBuilder =>
    createJob().json('inputs/sources.json', {
      sources: keys.map((dest_key, index) => ({ source_uri: `https://example.com/${index}`, dest_key })),
    });

  test.each(['pipeline.json', 'cancel.json', 'inputs/sources.json'])('%s, which controls the job', (key) => {
    const plan = staging(key).plan();
    expect(codes(plan)).toEqual(['OUTPUT_NOT_ALLOWED']);
    expect(plan.dispatch).toEqual([]);
  });

  test('but may be the manifest of a stage behind it', () => {
    expect(dispatchedBy(staging(SEGMENTS).plan())).toEqual(['staging/0']);
  });

  test('that an earlier stage is turned on by', () => {
    const manifest = (key: string) => ({ keys: [key], type: 'json' });
    const graph = graphOf({
      first: { manifest: manifest('a.json'), task: 'DOWNSAMPLING', output: 'b' },
      second: { manifest: manifest('c.json'), task: 'DOWNSAMPLING', output: '${manifest.to}' },
    });
    const plan = createJob(graph).json('a.json', {}).json('c.json', { to: 'a.json' }).plan();
    expect(plan.problems).toMatchObject([{ code: 'OUTPUT_NOT_ALLOWED', keys: ['c.json'] }]);
    expect(dispatchedBy(plan)).toEqual(['first/0']);
  });

  test('that another stage writes, beside the input of a stage without a manifest', () => {
    const job = staging('stage/downsample/downsampled.mp4').file('inputs/video/source.mp4');
    const plan = job.plan();
    expect(plan.problems).toMatchObject([{ code: 'OUTPUT_NOT_ALLOWED', keys: ['inputs/video/source.mp4'] }]);
    expect(dispatchedBy(plan)).toEqual(['staging/0']);
  });

  test.each([
    ['../other/x', 'climbs out'],
    ['results/x', 'is reserved'],
    ['a//b', 'has an empty part'],
  ])('%s, which %s', (to) => {
    const graph = graphOf({
      a: { manifest: { keys: ['m.json'], type: 'json' }, task: 'DOWNSAMPLING', output: '${manifest.to}' },
    });
    const plan = createJob(graph).json('m.json', { to }).plan();
    expect(codes(plan)).toEqual(['OUTPUT_NOT_ALLOWED']);
    expect(plan.dispatch).toEqual([]);
  });

  test('that two items would write, and one that has no value', () => {
    const graph = graphOf({
      a: {
        manifest: { keys: ['m.json'], type: 'json' },
        for_each: '${manifest.list}',
        task: 'DOWNSAMPLING',
        output: 'o-${item.name}',
      },
    });
    expect(
      codes(
        createJob(graph)
          .json('m.json', { list: [{ name: 'x' }, { name: 'x' }] })
          .plan(),
      ),
    ).toEqual(['OUTPUT_NOT_ALLOWED']);
    const plan = createJob(graph)
      .json('m.json', { list: [{ name: 'x' }, {}] })
      .plan();
    expect(plan.problems).toMatchObject([{ code: 'REFERENCE_UNKNOWN' }]);
    expect(plan.problems[0]?.message).toContain('list[1]');
  });
});

test('a parameter without a value is a problem, not an accident', () => {
  const graph = graphOf({
    a: {
      manifest: { keys: ['m.json'], type: 'json' },
      for_each: '${manifest.list}',
      task: 'DOWNSAMPLING',
      parameters: { name: 'x-${item.name}' },
      output: 'o-${index}',
    },
  });
  expect(
    createJob(graph)
      .json('m.json', { list: [{ name: 'x' }, {}] })
      .plan().problems,
  ).toMatchObject([{ code: 'REFERENCE_UNKNOWN' }]);
});
