import { describe, expect, test } from 'vitest';
import {
  FRAMES_PER_SECOND,
  MASTER_SECONDS,
  SAMPLE_RATE,
  SEGMENTS,
  segmentSeconds,
  speechOf,
} from '../../../../cli/demo/segments.ts';
import { parseSegments } from '../../../../manifests/segments.ts';

describe('the demo’s segments', () => {
  test('are a manifest that the pipeline takes', () => {
    const parsed = parseSegments(JSON.stringify({ segments: SEGMENTS }));

    expect(parsed).toMatchObject({ ok: true, value: { segments: SEGMENTS } });
  });

  test('follow each other without a gap over the whole master', () => {
    const starts = SEGMENTS.map(({ start_sec }) => start_sec);
    const ends = SEGMENTS.map(({ start_sec, duration_sec }) => Math.round((start_sec + duration_sec) * 1000) / 1000);

    expect([...starts.slice(1), MASTER_SECONDS]).toEqual(ends);
    expect(starts[0]).toBe(0);
    expect(MASTER_SECONDS).toBe(60);
  });

  test.each(SEGMENTS)('have lengths that are whole frames and whole samples: %j', (segment) => {
    for (const rate of [FRAMES_PER_SECOND, SAMPLE_RATE]) {
      const count = segmentSeconds(segment) * rate;

      expect(count).toBeCloseTo(Math.round(count), 6);
    }
  });

  test('pad only the last one, so that no clip moves away from the master', () => {
    expect(SEGMENTS.map(({ target_sec }) => target_sec !== undefined).indexOf(true)).toBe(SEGMENTS.length - 1);
  });

  test('each hold speech that ends before they do', () => {
    for (const segment of SEGMENTS) {
      const { from, to } = speechOf(segment);

      expect(from).toBe(segment.start_sec);
      expect(to).toBeGreaterThan(from + 1);
      expect(to).toBeLessThan(segment.start_sec + segment.duration_sec);
    }
  });
});
