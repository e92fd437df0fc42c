import { describe, expect, test } from 'vitest';
import { shown, shownLines, shownTime } from '../../../../cli/dead-letters/shown.ts';

describe('text of strangers', () => {
  test('is shown without anything that a terminal would act upon, or that turns it around', () => {
    expect(shown('a\u001b[2J\u0007\u009b\u202e\u2028\ufeff\r\nb')).toBe(
      'a\\u001b[2J\\u0007\\u009b\\u202e\\u2028\\ufeff\\u000d\\u000ab',
    );
    expect(shown('Grüße, 你好, 🎬')).toBe('Grüße, 你好, 🎬');
    expect(shown('\ud800')).toBe('\\ud800');
  });

  test('is cut to its width, whatever escaping makes of it', () => {
    expect(shown('abcdef', 4)).toBe('abc…');
    expect(shown('abcd', 4)).toBe('abcd');
    expect(shown('\u0000\u0000', 4)).toBe('\\u0…');
  });

  test('keeps its lines where lines are wanted', () => {
    expect(shownLines('a\r\nb\u001b\n')).toBe('a\nb\\u001b\n');
  });
});

test('a time is in UTC, and a dash where there is none', () => {
  expect(shownTime(0)).toBe('1970-01-01 00:00:00Z');
  expect(shownTime(undefined)).toBe('-');
});
