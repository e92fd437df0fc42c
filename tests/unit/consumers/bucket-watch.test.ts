import { describe, expect, test, vi } from 'vitest';
import { backOffMs } from '../../../consumers/back-off.ts';
import { createBucketWatch } from '../../../consumers/bucket-watch.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';

const away = new MillraceError('STORE_UNREACHABLE', 'away');

/** A bucket that answers from the `reachableFrom`-th probe on. */
function watched(reachableFrom: number) {
  const seen: string[] = [];
  const probed = Promise.withResolvers<void>();
  let probes = 0;
  const watch = createBucketWatch({
    probe: async () => {
      probes += 1;
      seen.push(`probe ${probes}`);
      probed.resolve();
      if (probes < reachableFrom) throw away;
    },
    consumers: [{ pause: () => void seen.push('pause'), resume: () => void seen.push('resume') }],
    log: silentLogger,
    firstPauseMs: 1,
    maxPauseMs: 4,
    random: () => 1,
  });
  const untilReachable = () => vi.waitFor(() => expect(watch.isReachable()).toBe(true), { interval: 2, timeout: 20_000 });
  return { watch, seen, untilReachable, probed: probed.promise };
}

describe('bucket watch', () => {
  test('pauses once, probes until the bucket answers, and resumes', async () => {
    const { watch, seen, untilReachable } = watched(3);
    watch.report(away);
    watch.report(away);
    expect(watch.isReachable()).toBe(false);
    await untilReachable();
    expect(seen).toEqual(['pause', 'probe 1', 'probe 2', 'probe 3', 'resume']);
    watch.report(away);
    await untilReachable();
    expect(seen.slice(5)).toEqual(['pause', 'probe 4', 'resume']);
  });

  test('refused credentials count too; what is about one job does not', async () => {
    const { watch, seen, untilReachable } = watched(1);
    for (const code of ['MANIFEST_INVALID', 'RUN_REFUSED', 'CANCELLED', 'INTERNAL', 'STORE_ERROR'] as const)
      watch.report(new MillraceError(code, 'x'));
    expect(seen).toEqual([]);
    watch.report(new MillraceError('STORE_FORBIDDEN', 'x'));
    expect(seen).toEqual(['pause']);
    await untilReachable();
  });

  test('ends its probing when closed, and does not resume', async () => {
    const { watch, seen, probed } = watched(Number.POSITIVE_INFINITY);
    watch.report(away);
    await probed;
    await watch.close();
    const count = seen.length;
    watch.report(away);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen.length).toBe(count);
    expect(seen).not.toContain('resume');
  });
});

describe('back-off', () => {
  test('doubles up to its bound, and jitter takes at most half', () => {
    const bounds = { firstMs: 100, maxMs: 1000 };
    expect([1, 2, 3, 4, 5, 1e9].map((attempt) => backOffMs(attempt, bounds, () => 1))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect([1, 2, 5].map((attempt) => backOffMs(attempt, bounds, () => 0))).toEqual([50, 100, 500]);
  });
});
