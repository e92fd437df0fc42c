import { describe, expect, it } from 'vitest';
import {
  bytesText,
  clockText,
  costText,
  plural,
  prettyText,
  relativeText,
  sentence,
  utcText,
} from '../../../../api/dashboard/format.js';

const NOW_MS = Date.parse('2026-11-27T12:00:00.000Z');

describe('figures on the dashboard', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [712_704, '712.7 kB'],
    [999_960, '1.0 MB'],
    [5_000_000_000_000, '5.0 TB'],
    [5_000_000_000_000_000, '5000.0 TB'],
  ])('%i bytes are %s', (bytes, text) => expect(bytesText(bytes)).toBe(text));

  it.each([
    ['2026-11-27T11:59:58.000Z', 'now'],
    ['2026-11-27T11:59:15.000Z', '45 s ago'],
    ['2026-11-27T11:00:01.000Z', '59 min ago'],
    ['2026-11-27T09:00:00.000Z', '3 h ago'],
    ['2026-11-26T11:00:00.000Z', '1 day ago'],
    ['2026-11-17T12:00:00.000Z', '10 days ago'],
    ['2026-11-27T12:02:00.000Z', 'in 2 min'],
  ])('%s is %s', (iso, text) => expect(relativeText(iso, NOW_MS)).toBe(text));

  it.each([
    [0, '0:00'],
    [67.9, '1:07'],
    [3723, '1:02:03'],
    [Number.NaN, '0:00'],
    [Number.POSITIVE_INFINITY, '0:00'],
  ])('%d seconds of a recording are %s', (seconds, text) => expect(clockText(seconds)).toBe(text));

  it('are what a person would write', () => {
    expect(plural(1, 'item')).toBe('1 item');
    expect(plural(10_000, 'item')).toBe('10,000 items');
    expect(plural(2, 'item needs', 'items need')).toBe('2 items need');
    expect(utcText('2026-11-27T06:26:42.123Z')).toBe('2026-11-27 06:26:42 UTC');
    expect(sentence('there is no job')).toBe('There is no job');
    expect(sentence('')).toBe('');
  });

  it('JSON is shown in lines, and what is none as it came', () => {
    expect(prettyText('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(prettyText('<b>no JSON')).toBe('<b>no JSON');
  });

  it('tells costs with two digits that say something, and what is not in them', () => {
    const cost = { gpu_sec: 41.6, usd: 0.012896, unmeasured: 0, usd_per_output_minute: 0.01 };
    expect(costText(cost)).toBe('42 s of GPU, about $0.013, $0.010 a minute of output');
    expect(costText({ ...cost, usd: null, usd_per_output_minute: null, unmeasured: 1 })).toBe(
      '42 s of GPU, 1 attempt unmeasured',
    );
    expect(costText({ ...cost, gpu_sec: 3.21, usd: 12.3456, usd_per_output_minute: null })).toBe('3.2 s of GPU, about $12.35');
    expect(costText({ gpu_sec: 0, usd: 0, unmeasured: 0, usd_per_output_minute: null })).toBe('');
  });
});
