/** The single promises of a consumer, each against a queue of its own, in this process. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, type TestContext, test, vi } from 'vitest';
import { createBucketWatch } from '../../../consumers/bucket-watch.ts';
import { createJobTurns } from '../../../consumers/job-turns.ts';
import type { HandleMessage, QueueMessage } from '../../../consumers/queue-message.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';
import { type ConsumerSettings, type ConsumerUnderTest, createConsumer, createHandler } from './consumer-under-test.ts';
import type { QueuePeer, TestQueue } from './queue-peer.ts';

const MAX_RECEIVES = 20;
/** A busy machine; and a message that a consumer held when its server went is hidden for a whole lease. */
const WAIT_MS = 40_000;
/** Several leases: a server may hand the message to the connection that was cut, more than once. */
const AFTER_OUTAGE_MS = 100_000;
const DRAIN_MS = 1_000;
/** Of a lease that has to be kept: long enough that a machine which stands still for a moment does not lose it. */
const MIN_KEPT_LEASE_SECONDS = 6;
/** How much longer work takes than its lease: whoever else may have the message asks for it at least once a second. */
const KEPT_LEASES = 1.5;
/** How much too early a timer may be. */
const TIMER_MS = 100;

const keysOf = (names: readonly (string | number)[]) => names.map((name) => `pipelines/job-${name}/inputs/x`);
const numbered = (count: number) => Array.from({ length: count }, (_, index) => index);
const failed = (delaySeconds: number) =>
  ({ kind: 'retry', delaySeconds, error: new MillraceError('STORE_ERROR', 'the bucket refuses this') }) as const;
const jobOf = ({ body, attributes }: QueueMessage) => /job-[a-z0-9]+/.exec(attributes.objectId ?? body)?.[0] ?? body;
const until = <T>(assertion: () => T | Promise<T>, timeout = WAIT_MS) => vi.waitFor(assertion, { timeout, interval: 50 });

interface Bench {
  readonly queue: TestQueue;
  /** Started; stopped when the test ends. */
  consume(handle: HandleMessage, more?: Partial<ConsumerSettings>): ConsumerUnderTest;
  /** Stops the consumers: nothing is there any more, not even hidden or held by one of them. */
  expectEmpty(): Promise<void>;
}

/** The context, because outside of it a hook would belong to whichever test happens to run. */
async function openBench(peer: QueuePeer, { onTestFinished }: TestContext, maxReceives = MAX_RECEIVES): Promise<Bench> {
  const queue = await peer.newQueue(maxReceives);
  const running: ConsumerUnderTest[] = [];
  const stopAll = () => Promise.all(running.map((consumer) => consumer.stop()));
  onTestFinished(async () => {
    await stopAll();
    await Promise.all(running.map((consumer) => consumer.close()));
  });
  return {
    queue,
    consume(handle, more = {}) {
      const consumer = createConsumer(queue.address, { leaseSeconds: peer.traits.leaseSeconds, handle, ...more });
      running.push(consumer);
      consumer.start();
      return consumer;
    },
    async expectEmpty() {
      await stopAll();
      expect(await queue.drain(DRAIN_MS)).toEqual([]);
    },
  };
}

/** For a concurrent suite: most of their time is waiting. */
export function describePromises(peerOf: () => QueuePeer): void {
  test('a retry keeps its delay, and counts', async (context) => {
    const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
    await queue.sendEvents(keysOf(['a']));
    const receipts: { atMs: number; count: number }[] = [];
    consume(async ({ receiveCount }) => {
      receipts.push({ atMs: performance.now(), count: receiveCount });
      return receiveCount === 1 ? failed(3) : { kind: 'done' };
    });
    await until(() => expect(receipts.map(({ count }) => count)).toEqual([1, 2]));
    expect((receipts[1]?.atMs ?? 0) - (receipts[0]?.atMs ?? 0)).toBeGreaterThan(3_000 - TIMER_MS);
    await expectEmpty();
  });

  test('a message that is worked on for longer than a lease is handed to nobody else', async (context) => {
    const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
    await queue.sendEvents(keysOf(['long']));
    const leaseSeconds = Math.max(MIN_KEPT_LEASE_SECONDS, peerOf().traits.leaseSeconds);
    let receipts = 0;
    let isDone = false;
    const handle: HandleMessage = async (_message, signal) => {
      receipts += 1;
      await sleep(leaseSeconds * KEPT_LEASES * 1000);
      isDone = !signal.aborted;
      return { kind: 'done' };
    };
    consume(handle, { leaseSeconds });
    consume(handle, { leaseSeconds });
    await until(() => expect(isDone).toBe(true));
    expect(receipts).toBe(1);
    await expectEmpty();
  });

  test('while paused nothing is received, and then all of it', async (context) => {
    const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
    const seen: string[] = [];
    const consumer = consume(async (message) => {
      seen.push(jobOf(message));
      return { kind: 'done' };
    });
    await until(() => expect(consumer.status().lastPollMs).toBeDefined());
    consumer.pause();
    // Polls that are under way end within a second.
    await sleep(1_500);
    await queue.sendEvents(keysOf(['held']));
    await sleep(1_500);
    expect({ seen, paused: consumer.status().paused }).toEqual({ seen: [], paused: true });
    consumer.resume();
    await until(() => expect(seen).toEqual(['job-held']));
    await expectEmpty();
  });

  test('a stop in the middle loses nothing and doubles nothing', async (context) => {
    const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
    const all = numbered(60).map((index) => `job-${index}`);
    await queue.sendEvents(keysOf(numbered(60)));
    const handled: string[] = [];
    const handle: HandleMessage = async (message) => {
      await sleep(150);
      handled.push(jobOf(message));
      return { kind: 'done' };
    };
    const consumer = consume(handle);
    await until(() => expect(handled.length).toBeGreaterThan(0));
    await consumer.stop();
    expect(consumer.status()).toMatchObject({ running: false, inFlight: 0 });
    expect(handled.length).toBeLessThanOrEqual(60);
    if (handled.length < 60) {
      consume(handle);
      await until(() => expect(handled.length).toBeGreaterThanOrEqual(60));
    }
    await expectEmpty();
    expect(handled.sort()).toEqual(all.sort());
  });

  test('a stop that cannot wait gives the message back at once, as no failure', async (context) => {
    const { queue, consume } = await openBench(peerOf(), context);
    await queue.sendEvents(keysOf(['endless']));
    const started = Promise.withResolvers<void>();
    const consumer = consume(
      async (_message, signal) => {
        started.resolve();
        if (!signal.aborted) await once(signal, 'abort');
        return failed(600);
      },
      { stopTimeoutMs: 200 },
    );
    await started.promise;
    await consumer.stop();
    expect(await queue.drain(DRAIN_MS + 1_000)).toEqual(keysOf(['endless']));
    expect(await queue.takeDeadLetters()).toEqual([]);
  });

  test('what nobody can read is dead-lettered on its first receipt, with the reason', async (context) => {
    const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
    await queue.sendTexts(['this is no JSON']);
    const turns = createJobTurns({ reconcile: async () => undefined, concurrency: 1, log: silentLogger });
    let receipts = 0;
    const handle = createHandler({ turns });
    const consumer = consume((message, signal) => {
      receipts += 1;
      return handle(message, signal);
    });
    await until(() => expect(receipts).toBe(1));
    await until(() => expect(consumer.status().inFlight).toBe(0));
    await expectEmpty();
    const [letter, ...others] = await queue.takeDeadLetters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      body: 'this is no JSON',
      attributes: { 'millrace-code': 'MESSAGE_NOT_JSON', 'millrace-receive-count': '1', 'millrace-replays': '0' },
    });
    expect(letter?.attributes['millrace-reason']).toContain('is not JSON');
  });

  test('what fails on the last receive that the queue allows is dead-lettered with its reason', async (context) => {
    const { minMaxReceives } = peerOf().traits;
    const { queue, consume } = await openBench(peerOf(), context, minMaxReceives);
    await queue.sendTexts(['fails']);
    const counts: number[] = [];
    consume(async ({ receiveCount }) => {
      counts.push(receiveCount);
      return failed(0);
    });
    const letters = await until(async () => {
      const found = await queue.takeDeadLetters();
      expect(found).toHaveLength(1);
      return found;
    });
    expect(letters[0]).toMatchObject({
      body: 'fails',
      attributes: { 'millrace-code': 'STORE_ERROR', 'millrace-reason': 'the bucket refuses this' },
    });
    expect(counts).toEqual(numbered(minMaxReceives).map((index) => index + 1));
  });

  describe('with reconciles', () => {
    test('never more run at once than allowed, and none of them beside another of its job', async (context) => {
      const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
      const active: string[] = [];
      let most = 0;
      let doubled = false;
      const done = new Set<string>();
      const turns = createJobTurns({
        concurrency: 3,
        log: silentLogger,
        reconcile: async (job) => {
          doubled ||= active.includes(job);
          most = Math.max(most, active.push(job));
          await sleep(20);
          active.splice(active.indexOf(job), 1);
          done.add(job);
        },
      });
      await queue.sendEvents([...keysOf(numbered(20)), ...keysOf(numbered(20))]);
      const consumer = consume(createHandler({ turns }));
      await until(() => expect(done.size).toBe(20));
      await until(() => expect(consumer.status().inFlight).toBe(0));
      expect({ most, doubled }).toEqual({ most: 3, doubled: false });
      await expectEmpty();
    });

    test('events of a job that arrive together share a reconcile, and none is acknowledged before it has succeeded', async (context) => {
      const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
      await queue.sendEvents(numbered(9).map((index) => `pipelines/one/inputs/${index}`));
      const first = Promise.withResolvers<void>();
      let reconciles = 0;
      const reconcile = async () => {
        reconciles += 1;
        if (reconciles === 1) await first.promise;
      };
      const turns = createJobTurns({ reconcile, concurrency: 2, log: silentLogger });
      const consumer = consume(createHandler({ turns }));
      await until(() => expect(consumer.status().inFlight).toBe(9));
      first.resolve();
      await until(() => expect(consumer.status().inFlight).toBe(0));
      expect(reconciles).toBe(2);
      await expectEmpty();
    });

    test('nothing is received while the bucket cannot be reached, and nothing is lost', async (context) => {
      const { queue, consume, expectEmpty } = await openBench(peerOf(), context);
      let isAway = true;
      const askBucket = async () => {
        if (isAway) throw new MillraceError('STORE_UNREACHABLE', 'the bucket is away');
      };
      const done = new Set<string>();
      const reconcile = async (job: string) => {
        await askBucket();
        done.add(job);
      };
      const turns = createJobTurns({ reconcile, concurrency: 2, log: silentLogger });
      let receipts = 0;
      const handle = createHandler({ turns, onFailure: (error) => watch.report(error) });
      const consumer = consume((message, signal) => {
        receipts += 1;
        return handle(message, signal);
      });
      const watch = createBucketWatch({
        probe: askBucket,
        consumers: [consumer],
        log: silentLogger,
        firstPauseMs: 50,
        maxPauseMs: 200,
      });
      await queue.sendEvents(keysOf(['first']));
      await until(() => expect(consumer.status()).toMatchObject({ paused: true, inFlight: 0 }));
      await sleep(1_500);
      const before = receipts;
      await queue.sendEvents(keysOf(['second']));
      await sleep(2_500);
      expect(receipts).toBe(before);
      isAway = false;
      await until(() => expect([...done].sort()).toEqual(['job-first', 'job-second']));
      await until(() => expect(consumer.status().inFlight).toBe(0));
      await watch.close();
      await expectEmpty();
    });
  });
}

export async function survivesAnOutage(peer: QueuePeer, context: TestContext): Promise<void> {
  const { queue, consume, expectEmpty } = await openBench(peer, context);
  await queue.sendEvents(keysOf(['before']));
  const signals: AbortSignal[] = [];
  const consumer = consume(async (_message, signal) => {
    signals.push(signal);
    if (signals.length > 1) return { kind: 'done' };
    if (!signal.aborted) await once(signal, 'abort');
    return { kind: 'done' };
  });
  await until(() => expect(signals).toHaveLength(1));
  await peer.goAway();
  try {
    await until(() => expect(signals[0]?.aborted).toBe(true));
    await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(1));
  } finally {
    await peer.comeBack();
  }
  await queue.sendEvents(keysOf(['after']));
  await until(() => expect(signals.length).toBeGreaterThanOrEqual(3), AFTER_OUTAGE_MS);
  await until(() => expect(consumer.status()).toMatchObject({ inFlight: 0, failedPolls: 0 }));
  await expectEmpty();
}
