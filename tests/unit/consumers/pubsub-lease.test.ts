import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPubsubClient } from '../../../consumers/pubsub-client.ts';
import { holdLease } from '../../../consumers/pubsub-lease.ts';
import { silentLogger } from '../../../log.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** As the client throws it. */
const answer = (code: number) => Object.assign(new Error(`${code} …`), { code });
const UNAVAILABLE = 14;
const FAILED_PRECONDITION = 9;

/** The lease of a minute, and the deadlines that the service was asked for. */
function leaseWith(extend: (call: number) => void) {
  const client = createPubsubClient({ projectId: 'p', emulatorHost: '127.0.0.1:1' });
  const asked: (number | null | undefined)[] = [];
  vi.spyOn(client.subscriber, 'modifyAckDeadline').mockImplementation(async (request) => {
    asked.push(request?.ackDeadlineSeconds);
    extend(asked.length);
  });
  const lease = holdLease({ client, subscription: 's', ackId: 'a', ackDeadlineSeconds: 60, log: silentLogger });
  return { lease, asked };
}

test('it is extended three times in its length, until it is released', async () => {
  const { lease, asked } = leaseWith(() => undefined);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(asked).toEqual(Array(6).fill(60));
  await lease.release();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(asked).toHaveLength(6);
  expect(lease.lost.aborted).toBe(false);
});

test('two extensions that fail are made up for by the third', async () => {
  const { lease } = leaseWith((call) => {
    if (call % 3 !== 0) throw answer(UNAVAILABLE);
  });
  await vi.advanceTimersByTimeAsync(59_000);
  expect(lease.lost.aborted).toBe(false);
});

test('it is lost when extensions have failed for as long as it lasts', async () => {
  const { lease, asked } = leaseWith(() => {
    throw answer(UNAVAILABLE);
  });
  await vi.advanceTimersByTimeAsync(59_000);
  expect(lease.lost.aborted).toBe(false);
  expect(lease.isHeld()).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(lease.lost.reason).toMatchObject({ code: 'CANCELLED' });
  expect(lease.isHeld()).toBe(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(3);
});

test('it is lost at once where the service no longer knows it, as with exactly-once delivery', async () => {
  const { lease } = leaseWith(() => {
    throw answer(FAILED_PRECONDITION);
  });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(lease.lost.aborted).toBe(true);
});
