import { describe, expect, test } from 'vitest';
import { createPace } from '../../../../consumers/dead-letters/pace.ts';

/** A clock that stands still but where somebody sleeps. */
function clockAt(startMs: number) {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      nowMs += ms;
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

const never = new AbortController().signal;

describe('a pace', () => {
  test.each([
    { perSecond: 1, count: 1 },
    { perSecond: 7, count: 1 },
    { perSecond: 50, count: 10 },
    { perSecond: 300, count: 10 },
  ])('of $perSecond a second is kept, in no batch larger than its own', async ({ perSecond, count }) => {
    const clock = clockAt(1_000_000);
    const pace = createPace(perSecond, 10, clock);
    expect(pace.batch).toBe(count);
    const times: number[] = [];
    for (let sent = 0; sent < perSecond * 4; sent += count) {
      await pace.next(count, never);
      times.push(...Array.from({ length: count }, () => clock.now()));
    }
    const inSecondFrom = (from: number) => times.filter((ms) => ms >= from && ms < from + 1000).length;
    expect(Math.max(...times.map(inSecondFrom))).toBeLessThanOrEqual(perSecond + count);
    // And no slower than asked for.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThanOrEqual(4_000);
  });

  test('does not make up for time that was not used', async () => {
    const clock = clockAt(0);
    const pace = createPace(10, 10, clock);
    await pace.next(1, never);
    clock.pass(60_000);
    await pace.next(1, never);
    await pace.next(1, never);
    expect(clock.now()).toBe(60_100);
  });

  test('ends its waiting when it is stopped', async () => {
    const pace = createPace(1, 10, clockAt(0));
    await pace.next(1, never);
    await expect(pace.next(1, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  });

  test('without a rate holds nothing up', async () => {
    const pace = createPace(undefined, 100);
    expect(pace.batch).toBe(100);
    await pace.next(1_000_000, never);
  });
});
