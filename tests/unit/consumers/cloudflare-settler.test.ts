import { expect, test, vi } from 'vitest';
import type { Retry } from '../../../consumers/cloudflare-client.ts';
import { createSettler } from '../../../consumers/cloudflare-settler.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';

/** Bounds a hang: the default of a second is over before a busy machine has begun. */
const SLOW_MACHINE = { timeout: 20_000 };

function settling(...failures: readonly MillraceError[]) {
  const calls: { acks: readonly string[]; retries: readonly [string, number][] }[] = [];
  const settle = async (acks: readonly string[], retries: readonly Retry[]) => {
    calls.push({ acks, retries: retries.map(({ leaseId, delaySeconds }) => [leaseId, delaySeconds]) });
    const failure = failures[calls.length - 1];
    if (failure !== undefined) throw failure;
    return { warnings: new Map() };
  };
  return {
    settler: createSettler({ client: { settle }, pause: { firstMs: 20, maxMs: 40 }, log: silentLogger, random: () => 1 }),
    calls,
  };
}

test('what ends within a few milliseconds shares one request, and nobody is told before its answer', async () => {
  const { settler, calls } = settling();
  let told = 0;
  const ends = [settler.ack('a'), settler.retry('b', 7), settler.ack('c')].map((end) => end.then(() => (told += 1)));
  await Promise.resolve();
  expect({ calls, told }).toEqual({ calls: [], told: 0 });
  await Promise.all(ends);
  expect({ calls, told }).toEqual({ calls: [{ acks: ['a', 'c'], retries: [['b', 7]] }], told: 3 });
});

test('a hundred ends are one request, and one more is another', async () => {
  const { settler, calls } = settling();
  await Promise.all(Array.from({ length: 101 }, (_, index) => settler.ack(`lease ${index}`)));
  expect(calls.map(({ acks }) => acks.length)).toEqual([100, 1]);
});

test('a request that failed is sent again with the same ends, and later ones do not wait for it', async () => {
  const { settler, calls } = settling(new MillraceError('QUEUE_BUSY', 'busy', { context: { retryAfterMs: 300 } }));
  const began = performance.now();
  const first = settler.ack('a');
  await vi.waitFor(() => expect(calls).toHaveLength(1), SLOW_MACHINE);
  await settler.ack('b');
  expect(calls.map(({ acks }) => acks)).toEqual([['a'], ['b']]);
  await first;
  expect(calls.map(({ acks }) => acks)).toEqual([['a'], ['b'], ['a']]);
  expect(performance.now() - began).toBeGreaterThan(290);
});

test('a refusal that trying again cannot help is told at once', async () => {
  const { settler, calls } = settling(new MillraceError('QUEUE_FORBIDDEN', 'no'));
  await expect(settler.ack('a')).rejects.toMatchObject({ code: 'QUEUE_FORBIDDEN' });
  expect(calls).toHaveLength(1);
});

test('an outage that does not end is told after a bounded number of tries', async () => {
  const { settler, calls } = settling(...Array.from({ length: 50 }, () => new MillraceError('QUEUE_UNREACHABLE', 'away')));
  await expect(settler.retry('a', 1)).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
  expect(calls).toHaveLength(8);
});
