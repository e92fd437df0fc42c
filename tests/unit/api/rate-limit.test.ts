import { expect, test } from 'vitest';
import { createRateLimit } from '../../../api/rate-limit.ts';

test('a caller has its minute at once, and then as much as time gives back; others are not held up by it', () => {
  let nowMs = 0;
  const limit = createRateLimit(60, () => nowMs);
  for (let request = 1; request <= 60; request += 1) limit.take('a');
  expect(() => limit.take('a')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', headers: { 'retry-after': '1' } }));
  limit.take('b');
  nowMs = 1000;
  limit.take('a');
  expect(() => limit.take('a')).toThrow();
});

test('0 is no limit', () => {
  const limit = createRateLimit(0, () => 0);
  for (let request = 1; request <= 10_000; request += 1) limit.take('a');
});
