import { describe, expect, test } from 'vitest';
import { SEGMENTS } from '../../../../cli/demo/segments.ts';
import { assTime, demoSubtitles } from '../../../../cli/demo/subtitles.ts';

test.each([
  [0, '0:00:00.00'],
  [5.24, '0:00:05.24'],
  [59.999, '0:01:00.00'],
  [61.5, '0:01:01.50'],
  [3723.07, '1:02:03.07'],
])('assTime(%d) is %s', (seconds, text) => {
  expect(assTime(seconds)).toBe(text);
});

describe('demoSubtitles', () => {
  const lines = demoSubtitles()
    .split('\n')
    .filter((line) => line.startsWith('Dialogue: '));

  test('has one line per segment that says which one it is', () => {
    expect(lines).toHaveLength(SEGMENTS.length);
    for (const [index, line] of lines.entries()) expect(line).toContain(`Segment ${index} of ${SEGMENTS.length}`);
  });

  test('shows a line while somebody speaks and none in the pause behind it', () => {
    expect(lines[0]).toMatch(/^Dialogue: 0,0:00:00\.00,0:00:04\.76,/);
    expect(lines[1]).toMatch(/^Dialogue: 0,0:00:05\.24,/);
  });
});
