import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ListPosition, listPage, successor } from '../../../../local/bucket/listing.ts';
import { openScratch, type Scratch } from './scratch.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = openScratch();
});
afterEach(() => scratch.close());

const bytewise = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', ' ', 'ä', '\uffee', '🎬', '\u{10ffff}'), maxLength: 6 });

function fill(keys: readonly string[]): void {
  scratch.database.run('DELETE FROM objects');
  for (const key of keys) {
    scratch.database.run("INSERT INTO objects VALUES ('videos', ?, 'p', ?, 1, 'e', 0, '{}', '{}', 'null', 1)", key, key);
  }
}

test('successor is the least text behind all that start with a prefix', () => {
  const property = fc.property(text, text, (prefix, rest) => {
    const next = successor(prefix);
    if (next === undefined) expect([...prefix].every((character) => character === '\u{10ffff}')).toBe(true);
    else expect([bytewise(prefix + rest, next) < 0, next.isWellFormed()]).toEqual([true, true]);
  });
  fc.assert(property);
  expect([successor('a'), successor('a\ud7ff'), successor('a\u{10ffff}'), successor('')]).toEqual([
    'b',
    'a\ue000',
    'b',
    undefined,
  ]);
});

test('pages give what a plain reading of the rules gives, whatever the keys, the prefix, the delimiter and the size of a page', () => {
  const property = fc.property(
    fc.uniqueArray(
      text.filter((key) => key !== ''),
      { maxLength: 30 },
    ),
    fc.constantFrom('', 'a', 'a/', '🎬'),
    fc.constantFrom('', '/', 'b', '/a'),
    fc.integer({ min: 1, max: 7 }),
    text,
    (keys, prefix, delimiter, maxKeys, startAfter) => {
      fill(keys);
      const expected = new Set<string>();
      for (const key of keys.toSorted(bytewise)) {
        if (!key.startsWith(prefix) || bytewise(key, startAfter) <= 0) continue;
        const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
        expected.add(cut === -1 ? `key ${key}` : `prefix ${key.slice(0, cut + delimiter.length)}`);
      }
      const found: string[] = [];
      let position: ListPosition | undefined = { after: startAfter, skipBelow: false };
      while (position !== undefined) {
        const page = listPage(scratch.database, { bucket: 'videos', prefix, delimiter, maxKeys, ...position });
        const size = page.objects.length + page.commonPrefixes.length;
        expect(size).toBeLessThanOrEqual(maxKeys);
        if (page.next !== undefined) expect(size).toBe(maxKeys);
        found.push(...page.objects.map(({ key }) => `key ${key}`), ...page.commonPrefixes.map((common) => `prefix ${common}`));
        position = page.next;
      }
      expect(found.toSorted()).toEqual([...expected].toSorted());
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test('a page of a hundred thousand keys reads no more than it gives', () => {
  scratch.database.transaction(() => {
    for (let index = 0; index < 100_000; index += 1) {
      const key = `pipelines/job-${String(index % 50).padStart(2, '0')}/stage/${index}`;
      scratch.database.run("INSERT INTO objects VALUES ('videos', ?, 'p', ?, 1, 'e', 0, '{}', '{}', 'null', 1)", key, key);
    }
  });
  const query = { bucket: 'videos', prefix: 'pipelines/', delimiter: '/', after: '', skipBelow: false, maxKeys: 1000 };
  const timeOf = (work: () => unknown) => {
    const startedMs = performance.now();
    work();
    return performance.now() - startedMs;
  };
  const page = listPage(scratch.database, query);
  expect(page.commonPrefixes).toHaveLength(50);
  // Beside each other and the best of several, so that a busy machine changes nothing.
  const rounds = Array.from({ length: 5 }, () => ({
    page: timeOf(() => listPage(scratch.database, query)),
    allKeys: timeOf(() => scratch.database.rows('SELECT key FROM objects')),
  }));
  const best = (of: 'page' | 'allKeys') => Math.min(...rounds.map((round) => round[of]));
  expect(best('page')).toBeLessThan(best('allKeys') / 4);
});
