import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isJobKey, isReservedKey, MAX_JOB_KEY_CHARACTERS } from '../../../manifests/job-key.ts';

const CONTROL_CHARACTERS = Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).concat('\u007f');

/** The rule in words: parts joined by single slashes, none of them empty, `.` or `..`; no backslash, no control character. */
function staysInside(key: string): boolean {
  if (key.length > MAX_JOB_KEY_CHARACTERS || key.includes('\\')) return false;
  if (CONTROL_CHARACTERS.some((character) => key.includes(character))) return false;
  return key.split('/').every((part) => !['', '.', '..'].includes(part));
}

const parts = fc.constantFrom(
  'a',
  '.',
  '..',
  '...',
  '',
  ' ',
  '/',
  '//',
  '..a',
  'a..',
  '\n',
  '\u2028',
  '\\',
  '\u007f',
  'é',
  '%2e%2e',
);

test.each([
  ['inputs/audio/master.m4a', true],
  ['segments.json', true],
  ['a/..b/c', true],
  ['', false],
  ['/a', false],
  ['a/', false],
  ['a//b', false],
  ['..', false],
  ['a/../b', false],
  ['a/.', false],
  ['a\u2028/../b', false],
  ['a\nb', false],
  ['a\\b', false],
  ['a'.repeat(MAX_JOB_KEY_CHARACTERS), true],
  ['a'.repeat(MAX_JOB_KEY_CHARACTERS + 1), false],
])('%j is a key inside the job: %s', (key, expected) => {
  expect(isJobKey(key)).toBe(expected);
});

test('a key is a job key exactly where no part of it climbs', () => {
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 8 }), (chosen) => {
      const key = chosen.join('');
      expect(isJobKey(key)).toBe(staysInside(key));
    }),
    { numRuns: 2000 },
  );
});

test('only the folders that Millrace writes are reserved', () => {
  expect(['results/a', 'problems/a', 'webhooks/a', 'webhooks.json'].map(isReservedKey)).toEqual([true, true, true, false]);
  expect(['results', 'result/a', 'stage/results/a', 'resultsx/a'].map(isReservedKey)).toEqual([false, false, false, false]);
});
