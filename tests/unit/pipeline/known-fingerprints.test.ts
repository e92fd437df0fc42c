import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../../pipeline/fingerprint.ts';
import { isEqual, knownFingerprints } from '../../../pipeline/known-fingerprints.ts';
import { createJob, graphOf, segments } from './job-builder.ts';

const list = (count: number, of: (index: number) => unknown = (index) => ({ start: index })) =>
  Array.from({ length: count }, (_, index) => of(index));

describe('what is kept of a list', () => {
  test('is found for the entries that are what they were', () => {
    const first = knownFingerprints('kept', list(1000), () => 'shared');
    for (let index = 0; index < 1000; index++) first.set(index, `made ${index}`);
    const changed = list(1001, (index) => ({ start: index === 57 ? -1 : index }));
    const second = knownFingerprints('kept', changed, () => 'shared');
    expect([0, 57, 999, 1000].map((index) => second.get(index))).toEqual(['made 0', undefined, 'made 999', undefined]);
  });

  test.each([
    ['what all share has changed', 'shared', list(1000), 'shared otherwise'],
    ['the list is short', 'shared', list(10), 'shared'],
  ])('is nothing where %s', (name, before, entries, after) => {
    knownFingerprints(name, entries, () => before).set(0, 'made');
    expect(knownFingerprints(name, entries, () => after).get(0)).toBeUndefined();
  });

  test('goes when its turn was longest ago', () => {
    knownFingerprints('oldest', list(1000), () => 'shared').set(0, 'made');
    knownFingerprints('newer', list(199_500), () => 'shared');
    expect(knownFingerprints('oldest', list(1000), () => 'shared').get(0)).toBeUndefined();
  });

  test('two JSON values are equal where their texts are', () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(isEqual(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
        expect(isEqual(a, structuredClone(a))).toBe(true);
      }),
    );
  });
});

describe('a job that is planned again', () => {
  const stage = (parameters: object, output = 'out/${index}.wav') => ({
    manifest: { keys: ['segments.json'], type: 'segments' },
    inputs: { audio: { key: 'in.wav' } },
    for_each: '${manifest.segments}',
    ...{ task: 'AUDIO_TRIM', parameters: { source_uri: '${inputs.audio}', ...parameters }, output },
  });
  const ITEM = { start_sec: '${item.start_sec}', duration_sec: '${item.duration_sec}' };
  const changes: [string, (job: ReturnType<typeof createJob>) => void, typeof ITEM & { more?: string }, string?][] = [
    [
      'one entry',
      (job) =>
        job.json(
          'segments.json',
          segments(600, (index) => (index === 57 ? 9999 : index)),
        ),
      ITEM,
    ],
    [
      'an entry more at the beginning',
      (job) =>
        job.json(
          'segments.json',
          segments(600, (index) => index - 1 + 1000),
        ),
      ITEM,
    ],
    ['the input', (job) => job.file('in.wav', 'another sound'), ITEM],
    ['the parameters', () => {}, { ...ITEM, more: 'x' }],
    ['where outputs go', () => {}, ITEM, 'elsewhere/${index}.wav'],
  ];
  test.each(changes)('has the fingerprints that a first look gives, after a change of %s', (name, change, parameters, output) => {
    const fingerprintsOf = (job: string, isChanged: boolean): string[] => {
      const graph = graphOf({ cut: isChanged ? stage(parameters, output) : stage(ITEM) });
      const made = createJob(graph, job).file('in.wav').json('segments.json', segments(600));
      if (isChanged) change(made);
      return made.plan().dispatch.map(({ fingerprint }) => fingerprint);
    };
    const before = fingerprintsOf(name, false);
    const again = fingerprintsOf(name, true);
    // Of a job that nobody has looked at; its name is in the fingerprint, so it must be the same one.
    knownFingerprints(`s3://videos/pipelines/${name}/cut`, list(500), () => 'forgotten');
    expect(again).toEqual(fingerprintsOf(name, true));
    expect(again).not.toEqual(before);
  });
});
