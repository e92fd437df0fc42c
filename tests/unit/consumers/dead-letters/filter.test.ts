import { describe, expect, test } from 'vitest';
import { isOpen, type LetterFilter, matches } from '../../../../consumers/dead-letters/filter.ts';
import { letterOf, noted, notification } from './letters.ts';

const letter = letterOf({
  id: 'a',
  body: notification('pipelines/talk-1/stage/clips/segment_1.mp4'),
  attributes: { ...noted('BUCKET_NOT_ALLOWED'), own: 'special' },
});
const atMs = Date.parse('2026-11-25T10:00:00.000Z');

describe('a filter', () => {
  test.each<[LetterFilter, boolean]>([
    [{}, true],
    [{ ids: [], jobs: [] }, true],
    [{ ids: ['b', 'a'] }, true],
    [{ ids: ['b'] }, false],
    [{ jobs: ['talk-1'] }, true],
    [{ jobs: ['talk-2'] }, false],
    [{ stages: ['clips'] }, true],
    [{ stages: ['inputs'] }, false],
    [{ codes: ['BUCKET_NOT_ALLOWED'] }, true],
    [{ codes: ['MAX_RECEIVES'] }, false],
    [{ sinceMs: atMs }, true],
    [{ sinceMs: atMs + 1 }, false],
    [{ pattern: /segment_\d/ }, true],
    [{ pattern: /^special$/ }, true],
    [{ pattern: /because/ }, true],
    [{ pattern: /nowhere/ }, false],
    [{ jobs: ['talk-1'], codes: ['MAX_RECEIVES'] }, false],
  ])('%o fits: %s', (filter, fits) => {
    expect(matches(letter, filter)).toBe(fits);
  });

  test('by time lets nothing through that bears none', () => {
    expect(matches(letterOf(), { sinceMs: 0 })).toBe(false);
  });

  test('is open where no field says anything', () => {
    expect(isOpen({ ids: undefined, jobs: [] })).toBe(true);
    expect(isOpen({ sinceMs: 0 })).toBe(false);
    expect(isOpen({ pattern: /x/ })).toBe(false);
  });
});
