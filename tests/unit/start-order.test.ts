import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { interleaved, LONG_FILES } from '../start-order.ts';

test('files that take long are where the list says', () => {
  const root = join(import.meta.dirname, '..', '..');
  const names = Object.values(LONG_FILES).flatMap((files) => Object.keys(files));
  expect(names.filter((name) => !existsSync(join(root, name)))).toEqual([]);
});

test('the longest of each kind begin first, and neither kind gets ahead of the other', () => {
  expect(interleaved({ a: 10, b: 40 }, { c: 10, d: 20, e: 15, f: 5 })).toEqual(['b', 'd', 'e', 'c', 'a', 'f']);
  expect(interleaved({}, { c: 1 })).toEqual(['c']);
});
