import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escapedPath, foldPath, plainPath } from '../../../../local/bucket/key-path.ts';

const anyKey = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc
    .array(fc.constantFrom('..', '.', '', 'a', 'A', 'b ', 'nul', '~', '\\', ':'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join('/')),
);

describe('plainPath', () => {
  test.each(['pipelines/job-1/exports/output.mp4', 'Übung/漢字 (1).wav', '.hidden', 'a+b%20c', '🎬.mp4'])(
    'keeps %s as it is',
    (key) => {
      expect(plainPath('videos', key)).toBe(`videos/${key}`);
    },
  );

  test.each([
    '../escape',
    'a/../b',
    './a',
    'a/.',
    '/a',
    'a//b',
    'a/',
    'a\\..\\b',
    'a\nb',
    'a:b',
    'nul',
    'CON.txt',
    'dot.',
    'blank ',
    'x'.repeat(201),
    `${'x/'.repeat(310)}x`,
    'a\u202eb',
  ])('is not for %j', (key) => {
    expect(plainPath('videos', key)).toBeUndefined();
  });

  test('never leaves the folder of its bucket, whatever the key', () => {
    const property = fc.property(anyKey, (key) => {
      const path = plainPath('videos', key);
      if (path === undefined) return;
      expect(posix.normalize(path)).toBe(path);
      expect(path.startsWith('videos/')).toBe(true);
    });
    fc.assert(property, { numRuns: 2000 });
  });
});

describe('escapedPath', () => {
  test('is one name under the state folder, whatever the key', () => {
    const property = fc.property(anyKey, (key) => {
      expect(escapedPath('videos', key)).toMatch(/^\.millrace\/objects\/videos\/[0-9a-f]{40}-[A-Za-z0-9._-]{0,60}$/);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('differs for keys that differ', () => {
    const property = fc.property(
      anyKey,
      anyKey,
      (one, other) => one === other || escapedPath('b', one) !== escapedPath('b', other),
    );
    fc.assert(property);
  });
});

test('foldPath takes for one what a file system may take for one', () => {
  expect(foldPath('A/É.MP4')).toBe(foldPath('a/e\u0301.mp4'));
  expect(foldPath('straße')).toBe(foldPath('STRASSE'));
  expect(foldPath('a')).not.toBe(foldPath('b'));
});
