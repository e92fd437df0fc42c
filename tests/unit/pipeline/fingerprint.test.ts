import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, digestOf, fingerprintOf, type Ingredients } from '../../../pipeline/fingerprint.ts';

const INGREDIENTS: Ingredients = {
  task: 'AUDIO_TRIM',
  parameters: canonicalJson({ source_uri: 's3://videos/a', start_sec: 1, nested: { b: 1, a: [1, 2] } }),
  outputUri: 's3://videos/out',
  versions: [['audio', 'etag']],
};

test('is thirty-two hexadecimal digits', () => expect(fingerprintOf(INGREDIENTS)).toMatch(/^[0-9a-f]{32}$/));

test('does not depend on the order of names', () => {
  const turned = { nested: { a: [1, 2], b: 1 }, start_sec: 1, source_uri: 's3://videos/a' };
  expect(fingerprintOf({ ...INGREDIENTS, parameters: canonicalJson(turned) })).toBe(fingerprintOf(INGREDIENTS));
});

test('does not tell a missing value from one that is not there', () => {
  expect(canonicalJson({ a: undefined, b: 1 })).toBe(canonicalJson({ b: 1 }));
});

test.each<[string, Partial<Ingredients>]>([
  ['the task', { task: 'ENCODING' }],
  ['a parameter', { parameters: canonicalJson({ source_uri: 's3://videos/a', start_sec: 2 }) }],
  [
    'the type of a parameter',
    { parameters: canonicalJson({ source_uri: 's3://videos/a', start_sec: '1', nested: { b: 1, a: [1, 2] } }) },
  ],
  [
    'the order of a list',
    { parameters: canonicalJson({ source_uri: 's3://videos/a', start_sec: 1, nested: { b: 1, a: [2, 1] } }) },
  ],
  ['where the output goes', { outputUri: 's3://videos/out2' }],
  ['the version of an input', { versions: [['audio', 'etag2']] }],
  ['which input has the version', { versions: [['video', 'etag']] }],
  [
    'one more input',
    {
      versions: [
        ['audio', 'etag'],
        ['video', 'etag'],
      ],
    },
  ],
])('changes with %s', (_, change) => {
  expect(fingerprintOf({ ...INGREDIENTS, ...change })).not.toBe(fingerprintOf(INGREDIENTS));
});

test('canonical JSON says the same as JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a digest keeps the borders between its values', () => expect(digestOf(['ab', 'c'])).not.toBe(digestOf(['a', 'bc'])));
