import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pipeline } from '../../../manifests/pipeline.ts';
import { createGraph, mayMeet, requireGraph } from '../../../pipeline/graph.ts';
import { builtInGraph } from './job-builder.ts';

type Stages = Record<string, Record<string, unknown>>;

const MANIFEST = { keys: ['m.json'], type: 'json' };
const task = (more: Record<string, unknown>): Record<string, unknown> => ({ task: 'DOWNSAMPLING', output: 'out.mp4', ...more });

const create = (stages: Stages) => createGraph(Pipeline.parse({ version: 1, stages }));
const faults = (stages: Stages): string[] => {
  const outcome = create(stages);
  return outcome.ok ? [] : outcome.errors.map(({ text }) => text);
};
const order = (stages: Stages): string[] => {
  const outcome = create(stages);
  return outcome.ok ? outcome.graph.stages.map(({ name }) => name) : [];
};

describe('refuses', () => {
  test.each<[string, Stages, string]>([
    [
      'fan-in over a stage that is not there',
      { a: task({ inputs: { x: { stage: 'b' } } }) },
      'stages.a.inputs.x.stage: expected the name of a stage (a), found "b"',
    ],
    [
      'an input that the stage has not',
      { a: task({ inputs: { x: { key: 'x' } }, parameters: { p: '${inputs.y}' } }) },
      'an input of this stage (x), found ${inputs.y}',
    ],
    [
      'a manifest of a stage without one',
      { a: task({ parameters: { p: '${manifest.x}' } }) },
      'a stage with a manifest, found ${manifest.x}',
    ],
    ['an item without for_each', { a: task({ output: 'o-${item.x}' }) }, 'a stage with for_each, found ${item.x}'],
    ['an index without for_each', { a: task({ output: 'o-${index}' }) }, 'a stage with for_each, found ${index}'],
    [
      'roots that do not exist',
      { a: task({ parameters: { p: '${env.HOME}' } }) },
      'references to job, index, item, manifest, inputs, found ${env.HOME}',
    ],
    ['the output in a task’s parameters', { a: task({ parameters: { p: '${output}' } }) }, 'found ${output}'],
    ['inputs in an output key', { a: task({ inputs: { x: { key: 'x' } }, output: 'o-${inputs.x}' }) }, 'found ${inputs.x}'],
    [
      'a star beside an item',
      {
        a: task({ manifest: MANIFEST, for_each: '${manifest.l}', inputs: { x: { key: 'x/${index}.*' } }, output: 'o-${index}' }),
      },
      'no * beside',
    ],
    [
      'a reference that does not end',
      { a: task({ manifest: MANIFEST, parameters: { p: 'x-${manifest.language' } }) },
      'stages.a.parameters: expected references such as',
    ],
    [
      'the legacy form of ENCODING, which names buckets',
      { a: { task: 'ENCODING', parameters: { bucket: 'theirs', id: 'x' }, output: 'o' } },
      'stages.a.parameters.bucket',
    ],
    ['a stage that feeds itself', { a: task({ inputs: { x: { key: 'out.*' } } }) }, 'a circle: a → a'],
    [
      'a circle by keys',
      {
        a: task({ inputs: { x: { key: 'b.mp4' } }, output: 'a.mp4' }),
        b: task({ inputs: { x: { key: 'a.*' } }, output: 'b.mp4' }),
      },
      'a circle: a → b → a',
    ],
    [
      'a circle by fan-in',
      {
        a: task({ inputs: { x: { stage: 'b' } }, output: 'a.mp4' }),
        b: task({ inputs: { x: { stage: 'a' } }, output: 'b.mp4' }),
      },
      'a circle',
    ],
    [
      'a circle by manifests',
      {
        a: task({ manifest: { keys: ['a.json'], type: 'json' }, output: 'b.json' }),
        b: task({ manifest: { keys: ['b.json'], type: 'json' }, output: 'a.json' }),
      },
      'a circle',
    ],
  ])('%s', (_, stages, words) => {
    expect(faults(stages).join('\n')).toContain(words);
  });

  test('by throwing, where it must be right', () => {
    const pipeline = Pipeline.parse({ version: 1, stages: { a: task({ inputs: { x: { stage: 'b' } } }) } });
    expect(() => requireGraph(pipeline)).toThrow(expect.objectContaining({ code: 'GRAPH_INVALID' }));
  });
});

describe('puts stages after what feeds them', () => {
  test.each<[string, Stages, string[]]>([
    ['by fan-in', { b: task({ inputs: { x: { stage: 'a' } }, output: 'b' }), a: task({ output: 'a' }) }, ['a', 'b']],
    ['by key', { b: task({ inputs: { x: { key: 'a/x.wav' } }, output: 'b' }), a: task({ output: 'a/x.wav' }) }, ['a', 'b']],
    [
      'by pattern',
      {
        b: task({ inputs: { x: { key: 'a/*' } }, output: 'b' }),
        a: task({ manifest: MANIFEST, for_each: '${manifest.l}', output: 'a/${index}.wav' }),
      },
      ['a', 'b'],
    ],
    [
      'by item',
      {
        b: task({
          manifest: MANIFEST,
          for_each: '${manifest.l}',
          inputs: { x: { key: 'a/${index}.wav' } },
          output: 'b/${index}',
        }),
        a: task({ manifest: MANIFEST, for_each: '${manifest.l}', output: 'a/${index}.wav' }),
      },
      ['a', 'b'],
    ],
    ['by manifest', { b: task({ manifest: MANIFEST, output: 'b' }), a: task({ output: 'm.json' }) }, ['a', 'b']],
    [
      'keeping the document’s order otherwise',
      { c: task({ output: 'c' }), a: task({ output: 'a' }), b: task({ output: 'b' }) },
      ['c', 'a', 'b'],
    ],
  ])('%s', (_, stages, names) => expect(order(stages)).toEqual(names));

  test('in the built-in pipeline', () => {
    const names = builtInGraph.stages.map(({ name }) => name);
    expect(names.indexOf('staging')).toBe(0);
    expect(names.indexOf('clips')).toBeLessThan(names.indexOf('concatenation'));
    expect(names.indexOf('concatenation')).toBeLessThan(names.indexOf('encoding'));
  });
});

describe('two patterns meet where some key matches both', () => {
  test.each([
    ['a/*.wav', 'a/${x}.wav', true],
    ['a/*.wav', 'a/${x}.mp4', false],
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/*', 'b/*', false],
    ['${x}', 'anything/at.all', true],
    ['ab*ba', 'aba', false],
    ['x*y*z', 'x1y2z', true],
    ['x${a}y${b}', 'xy', true],
    ['inputs/audio/master.*', 'inputs/audio/${item.name}', true],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(mayMeet(a, b)).toBe(expected);
    expect(mayMeet(b, a)).toBe(expected);
  });

  test('as trying every short key shows', () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 5 }).map((parts) => parts.join(''));
    const keys = shortKeys(8);
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const [left, right] = [a, b].map((text) => new RegExp(`^${text.replaceAll('*', '.*')}$`));
        expect(mayMeet(a, b)).toBe(keys.some((key) => left?.test(key) === true && right?.test(key) === true));
      }),
      { numRuns: 300 },
    );
  });
});

/** Every text of `a` and `b` up to a length that two patterns of five parts cannot outgrow. */
function shortKeys(most: number): string[] {
  const keys = [''];
  for (let at = 0; (keys[at]?.length ?? most) < most; at += 1) keys.push(`${keys[at]}a`, `${keys[at]}b`);
  return keys;
}

test('a hostile graph of long keys is judged at once', () => {
  const long = 'x'.repeat(600);
  const inputs = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`i${index}`, { key: `${long}${index}*` }]));
  const stages = Object.fromEntries(
    Array.from({ length: 64 }, (_, index) => [
      `s${index}`,
      task({ manifest: MANIFEST, inputs, output: `y\${manifest.a}${long}\${manifest.b}` }),
    ]),
  );
  expect(create(stages).ok).toBe(true);
});
