import { describe, expect, test } from 'vitest';
import {
  brokenReferencesIn,
  lookUp,
  referencesIn,
  substitute,
  substituteText,
  UnknownReference,
  wholeReference,
} from '../../../pipeline/references.ts';

const SCOPE = {
  job: 'j',
  index: 7,
  item: { start: 1.5, note: '${job}', deep: { list: [1, 2] } },
  manifest: { on: false, none: null },
};

describe('a text that is one reference takes its value and type', () => {
  test.each([
    ['${index}', 7],
    ['${item.start}', 1.5],
    ['${manifest.on}', false],
    ['${manifest.none}', null],
    ['${item.deep}', { list: [1, 2] }],
    ['${item.deep.list.1}', 2],
    ['${item.missing}', undefined],
  ])('%s', (template, value) => expect(substitute(template, SCOPE)).toEqual(value));

  test('and leaves its field out where there is none', () => {
    expect(substitute({ a: '${item.start}', b: '${item.missing}' }, SCOPE)).toEqual({ a: 1.5 });
  });

  test('and is null in a list, so that the others keep their places', () => {
    expect(substitute(['${item.missing}', 1], SCOPE)).toEqual([null, 1]);
  });
});

describe('inside a longer text', () => {
  test('values become text', () => expect(substituteText('${job}-${index}-${manifest.on}.mp4', SCOPE)).toBe('j-7-false.mp4'));

  test.each(['x-${item.missing}', 'x-${item.deep}', 'x-${manifest.none}', 'x-${item.deep.list}'])(
    '%s has no value',
    (template) => {
      expect(() => substituteText(template, SCOPE)).toThrow(UnknownReference);
    },
  );

  test('a value that looks like a reference is none', () => expect(substituteText('<${item.note}>', SCOPE)).toBe('<${job}>'));
});

test('what objects inherit has no value', () => {
  for (const reference of ['item.constructor', 'item.__proto__', 'toString']) expect(lookUp(reference, SCOPE)).toBeUndefined();
});

test('a reference is whole only if nothing stands beside it', () => {
  expect(wholeReference('${item.a}')).toBe('item.a');
  for (const text of ['${item.a} ', 'x${item.a}', '${a}${b}', '', '${}']) expect(wholeReference(text)).toBeNull();
});

test('references are found wherever they are', () => {
  expect(referencesIn({ a: ['${item.x}', { b: 'p-${index}-${job}' }], c: 3 })).toEqual(['item.x', 'index', 'job']);
});

test('a ${ that begins nothing is found', () => {
  expect(brokenReferencesIn(['${a}', '${a', '${a${b}}', '$ { }', '${}'])).toEqual(['${a', '${a${b}}', '${}']);
});

test('a long text of unclosed references is read in one go', () => {
  // Quadratic work on this would take hours.
  expect(referencesIn('${'.repeat(500_000))).toEqual([]);
});
