import { readFileSync } from 'node:fs';
import { XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { goalsChart } from '../../../bench/goals-chart.ts';
import { goalsTable } from '../../../bench/goals-table.ts';
import { type Goal, isMet, median, quantile, shareOfGoal } from '../../../bench/measurement.ts';
import { withSection } from '../../../bench/performance-page.ts';

const FAST: Goal = { what: 'segments & <more>', found: 20, goal: 10, unit: '×', better: 'more' };
const SLOW: Goal = { what: 'planning', found: 3, goal: 2, unit: 's', better: 'less' };

describe('goals', () => {
  it('are met from their figure on, or below it', () => {
    expect([FAST, SLOW].map(isMet)).toEqual([true, false]);
    expect(isMet({ ...FAST, found: 10 })).toBe(true);
    expect(isMet({ ...SLOW, found: 2 })).toBe(false);
    expect([FAST, SLOW].map(shareOfGoal)).toEqual([0.5, 1.5]);
  });

  it('are told with what was missed', () => {
    const lines = goalsTable([FAST, SLOW]);
    expect(lines[1]).toMatch(/20×\s+at least 10×\s+met/);
    expect(lines[2]).toMatch(/3 s\s+under 2 s\s+MISSED/);
  });

  it('become a picture that is XML, whatever they are called', () => {
    const chart = goalsChart([FAST, SLOW, { ...SLOW, found: 0 }, { ...SLOW, found: 1e9 }]);
    expect(XMLValidator.validate(chart)).toBe(true);
    expect(chart).toContain('segments &amp; &lt;more&gt;');
    expect(chart.match(/class="missed"/g)).toHaveLength(2);
    const widths = [...chart.matchAll(/<rect [^>]* width="([^"]+)"/g)].map((match) => Number(match[1]));
    for (const width of widths) expect(width).toBeGreaterThan(0);
  });
});

describe('the page', () => {
  it('takes figures between its markers, and keeps the rest', () => {
    const page = 'before\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nafter\n';
    const written = withSection(page, 'a', ['first', '', 'second']);
    expect(written).toBe('before\n<!-- bench:a -->\n\n```text\nfirst\n\nsecond\n```\n\n<!-- /bench:a -->\nafter\n');
    expect(withSection(written, 'a', ['first', '', 'second'])).toBe(written);
    expect(() => withSection(page, 'b', [])).toThrow('no place for b');
  });

  it.each(['machine', 'goals', 'cold-start', 'planning', 'store-requests', 'dispatch', 'downsampling', 'chunks', 'trims'])(
    'has a place for %s',
    (name) => {
      const page = readFileSync(new URL('../../../docs/performance.md', import.meta.url), 'utf8');
      expect(() => withSection(page, name, [])).not.toThrow();
    },
  );
});

it('quantiles are values that were measured', () => {
  const values = [5, 1, 3, 2, 4];
  expect(median(values)).toBe(3);
  expect(quantile(values, 0.99)).toBe(5);
  expect(median([])).toBeNaN();
});
