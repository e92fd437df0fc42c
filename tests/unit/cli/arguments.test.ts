import { describe, expect, test } from 'vitest';
import { itemNumbers } from '../../../cli/item-numbers.ts';
import { sinceArgument } from '../../../cli/since-argument.ts';

describe('items on the command line', () => {
  test.each<[string, number[]]>([
    ['57', [57]],
    ['0-4,7', [0, 1, 2, 3, 4, 7]],
    ['3, 5-6', [3, 5, 6]],
  ])('%s', (text, numbers) => {
    expect([...itemNumbers(text)]).toEqual(numbers);
  });

  test.each(['', 'x', '4-2', '-1', '1.5', '0-9999999'])('%j are none', (text) => {
    expect(() => itemNumbers(text)).toThrow('expected items such as 57 or 0-4,7');
  });
});

describe('a time on the command line', () => {
  const nowMs = Date.UTC(2026, 10, 25, 12);

  test.each<[string, number]>([
    ['90m', nowMs - 90 * 60_000],
    ['2h', nowMs - 2 * 3_600_000],
    ['3d', nowMs - 3 * 86_400_000],
    ['2026-11-25', Date.UTC(2026, 10, 25)],
    ['2026-11-25T20:00Z', Date.UTC(2026, 10, 25, 20)],
  ])('%s', (text, ms) => {
    expect(sinceArgument(text, undefined, nowMs)).toBe(ms);
  });

  test.each(['', 'yesterday', '2026', '5', '5y'])('%j is none', (text) => {
    expect(() => sinceArgument(text)).toThrow('expected how long ago');
  });
});
