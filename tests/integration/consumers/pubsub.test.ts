/** What the Pub/Sub consumer promises, against Google's emulator. Each test has topics of its own, so they run beside each other. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import type { HandleMessage, QueueMessage } from '../../../consumers/queue-message.ts';
import { MillraceError } from '../../../errors.ts';
import { startPubsubEmulator } from '../../../local/pubsub/emulator.ts';
import { createLogger, silentLogger } from '../../../log.ts';
import { startPubsubPeer } from '../../peers/pubsub-emulator.ts';
import { ACK_DEADLINE_SECONDS, createBench, until } from './pubsub-bench.ts';

const emulator = await startPubsubPeer();
afterAll(() => emulator?.stop());
const host = emulator?.host ?? '';

const failure = new MillraceError('STORE_UNREACHABLE', 'the bucket does not answer');
const textsOf = (messages: readonly QueueMessage[]) => messages.map(({ body }) => body).sort();

describe.skipIf(emulator === null).concurrent('Pub/Sub consumer on the emulator', () => {
  test('every message is handled once, with its attributes, and acknowledged', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const texts = Array.from({ length: 25 }, (_, index) => `message ${String(index).padStart(2, '0')}`);
    await bench.send(texts, { bucketId: 'videos', 'millrace-replays': '2' });
    const seen: QueueMessage[] = [];
    const consumer = bench.consume(async (message) => {
      seen.push(message);
      return { kind: 'done' };
    });
    await until(() => expect(seen).toHaveLength(25));
    // What was not acknowledged comes again after its deadline.
    await sleep((ACK_DEADLINE_SECONDS + 2) * 1000);
    expect(textsOf(seen)).toEqual(texts);
    expect(seen[0]).toMatchObject({ attributes: { bucketId: 'videos' }, receiveCount: 1, replays: 2 });
    expect(consumer.status()).toMatchObject({ running: true, paused: false, inFlight: 0, failedPolls: 0 });
    expect(consumer.status().lastPollMs).toBeGreaterThan(Date.now() - 60_000);
  });

  test('a message that failed comes again after its delay, not before, and counted', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['later']);
    const received: { atMs: number; receiveCount: number }[] = [];
    bench.consume(async ({ receiveCount }) => {
      received.push({ atMs: performance.now(), receiveCount });
      return received.length === 1 ? { kind: 'retry', delaySeconds: 3, error: failure } : { kind: 'done' };
    });
    await until(() => expect(received).toHaveLength(2));
    const [first, second] = received;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(2_900);
    expect(received.map(({ receiveCount }) => receiveCount)).toEqual([1, 2]);
  });

  test('messages that wait for their delay hold up no others', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['a', 'b', 'c', 'd']);
    const seen: string[] = [];
    bench.consume(
      async ({ body }) => {
        seen.push(body);
        return body === 'other' ? { kind: 'done' } : { kind: 'retry', delaySeconds: 60, error: failure };
      },
      { maxMessages: 2 },
    );
    await until(() => expect(seen).toHaveLength(4));
    await bench.send(['other']);
    await until(() => expect(seen).toContain('other'));
  });

  test('a handler that throws is tried again', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['once more']);
    let calls = 0;
    bench.consume(
      async () => {
        calls += 1;
        if (calls === 1) throw new Error('a defect');
        return { kind: 'done' };
      },
      { random: () => 0 },
    );
    await until(() => expect(calls).toBe(2));
  });

  test('what nobody can read goes to the dead letters at once, with its note, its attributes and its bytes', async ({
    onTestFinished,
  }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['not a notification'], {
      bucketId: 'videos',
      CloudPubSubDeadLetterSourceSubscription: 'an earlier one',
      CloudPubSubDeadLetterSourceDeliveryCount: '5',
    });
    let calls = 0;
    bench.consume(async () => {
      calls += 1;
      return { kind: 'dead-letter', error: new MillraceError('MESSAGE_NOT_JSON', 'a message is not JSON') };
    });
    const letter = await until(async () => (await bench.deadLetter()) ?? expect.unreachable('no dead letter yet'));
    expect(letter.text).toBe('not a notification');
    expect(letter.attributes).toEqual({
      bucketId: 'videos',
      'millrace-code': 'MESSAGE_NOT_JSON',
      'millrace-reason': 'a message is not JSON',
      'millrace-dead-lettered-at': expect.stringMatching(/^\d{4}-.*Z$/),
      'millrace-receive-count': '1',
      'millrace-replays': '0',
    });
    expect(calls).toBe(1);
  });

  test('on the last delivery that the policy allows, a message that fails goes to the dead letters with the reason', async ({
    onTestFinished,
  }) => {
    const bench = await createBench(host, onTestFinished, { maxDeliveryAttempts: 5 });
    await bench.send(['hopeless']);
    const counts: number[] = [];
    bench.consume(async ({ receiveCount }) => {
      counts.push(receiveCount);
      return { kind: 'retry', delaySeconds: 0, error: failure };
    });
    const letter = await until(async () => (await bench.deadLetter()) ?? expect.unreachable('no dead letter yet'));
    expect(counts).toEqual([1, 2, 3, 4, 5]);
    expect(letter.attributes).toMatchObject({
      'millrace-code': 'STORE_UNREACHABLE',
      'millrace-reason': 'the bucket does not answer',
      'millrace-receive-count': '5',
    });
    // Once: the emulator has not forwarded it as well.
    await sleep(1_000);
    expect(await bench.deadLetter()).toBeUndefined();
  });

  test('work that takes longer than the deadline keeps its message', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['slow']);
    let calls = 0;
    let finished = 0;
    bench.consume(async (_, signal) => {
      calls += 1;
      await sleep((ACK_DEADLINE_SECONDS + 4) * 1000, undefined, { signal });
      finished += 1;
      return { kind: 'done' };
    });
    await until(() => expect(finished).toBe(1));
    expect(calls).toBe(1);
  });

  test('a lost lease stops the work, whose outcome then counts for nothing', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['slow']);
    let reason: unknown;
    const consumer = bench.consume(async (_, signal) => {
      bench.line.cut();
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      reason = signal.reason;
      return { kind: 'dead-letter', error: failure };
    });
    await until(() => expect(reason).toMatchObject({ code: 'CANCELLED', message: 'the lease of the message is lost' }));
    await until(() => expect(consumer.status().inFlight).toBe(0));
    expect(consumer.status().failedPolls).toBeGreaterThan(1);
    expect(await bench.deadLetter()).toBeUndefined();
  });

  test('an outage of the line is survived, and what was sent meanwhile is handled', async ({ onTestFinished }) => {
    // The emulator goes on for a while to send to streams that are cut: each time counts as a delivery and costs a deadline.
    const bench = await createBench(host, onTestFinished, { maxDeliveryAttempts: 100 });
    const seen: string[] = [];
    const consumer = bench.consume(async ({ body }) => {
      seen.push(body);
      return { kind: 'done' };
    });
    await bench.send(['before']);
    await until(() => expect(seen).toEqual(['before']));
    await until(() => expect(consumer.status().inFlight).toBe(0));
    bench.line.cut();
    await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(2));
    await bench.send(['meanwhile']);
    bench.line.mend();
    await until(() => expect(consumer.status().failedPolls).toBe(0));
    await until(() => expect(seen).toEqual(['before', 'meanwhile']), 90_000);
  });

  test('a paused consumer receives nothing and loses nothing', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const seen: QueueMessage[] = [];
    const consumer = bench.consume(async (message) => {
      seen.push(message);
      return { kind: 'done' };
    });
    await bench.send(['before']);
    await until(() => expect(seen).toHaveLength(1));
    consumer.pause();
    expect(consumer.status().paused).toBe(true);
    // The stream is let end.
    await sleep(500);
    await bench.send(['while paused']);
    await sleep(1_500);
    expect(textsOf(seen)).toEqual(['before']);
    consumer.resume();
    await until(() => expect(textsOf(seen)).toEqual(['before', 'while paused']));
    expect(seen.map(({ receiveCount }) => receiveCount)).toEqual([1, 1]);
  });

  test('a stop lets work finish and doubles nothing; the rest goes to another consumer', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const texts = Array.from({ length: 12 }, (_, index) => `message ${String(index).padStart(2, '0')}`);
    const started: string[] = [];
    const finished: QueueMessage[] = [];
    const handle: HandleMessage = async (message) => {
      started.push(message.body);
      await sleep(300);
      finished.push(message);
      return { kind: 'done' };
    };
    const first = bench.consume(handle, { maxMessages: 3 });
    await bench.send(texts);
    await until(() => expect(started.length).toBeGreaterThanOrEqual(3));
    await first.stop();
    expect(finished.map(({ body }) => body)).toEqual(started);
    expect(first.status()).toMatchObject({ running: false, inFlight: 0 });
    bench.consume(handle, { maxMessages: 3 });
    await until(() => expect(textsOf(finished)).toEqual(texts));
  });

  test('a stop ends work that does not finish in time and gives its message back at once', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['endless']);
    let isWorking = false;
    const first = bench.consume(
      async (_, signal) => {
        isWorking = true;
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        return { kind: 'retry', delaySeconds: 60, error: failure };
      },
      { stopTimeoutMs: 300 },
    );
    await until(() => expect(isWorking).toBe(true));
    await first.stop();
    const counts: number[] = [];
    bench.consume(async ({ receiveCount }) => {
      counts.push(receiveCount);
      return { kind: 'done' };
    });
    await until(() => expect(counts).toEqual([2]), 5_000);
  });

  test('never more messages are worked on than allowed, although the emulator sends all of them', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const texts = Array.from({ length: 60 }, (_, index) => `message ${String(index).padStart(2, '0')}`);
    await bench.send(texts);
    let now = 0;
    let peak = 0;
    const seen: QueueMessage[] = [];
    bench.consume(
      async (message) => {
        now += 1;
        peak = Math.max(peak, now);
        await sleep(20);
        now -= 1;
        seen.push(message);
        return { kind: 'done' };
      },
      { maxMessages: 5 },
    );
    await until(() => expect(textsOf(seen)).toEqual(texts));
    expect(peak).toBe(5);
  });

  test('a lease is kept for what waits for its turn too', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    await bench.send(['a', 'b', 'c']);
    const seen: QueueMessage[] = [];
    bench.consume(
      async (message) => {
        seen.push(message);
        if (seen.length === 1) await sleep((ACK_DEADLINE_SECONDS + 2) * 1000);
        return { kind: 'done' };
      },
      { maxMessages: 1 },
    );
    await until(() => expect(textsOf(seen)).toEqual(['a', 'b', 'c']));
    expect(seen.map(({ receiveCount }) => receiveCount)).toEqual([1, 1, 1]);
  });

  test('without a dead-letter policy deliveries are counted all the same', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const { topic } = bench.topics;
    const subscription = `${bench.topics.subscription}-without-policy`;
    await bench.client.subscriber.createSubscription({ name: subscription, topic, ackDeadlineSeconds: ACK_DEADLINE_SECONDS });
    const counts: number[] = [];
    bench.consume(
      async ({ receiveCount }) => {
        counts.push(receiveCount);
        return counts.length < 7 ? { kind: 'retry', delaySeconds: 0, error: failure } : { kind: 'done' };
      },
      { subscription },
    );
    await bench.send(['again and again']);
    await until(() => expect(counts).toEqual([1, 2, 3, 4, 5, 6, 7]));
  });

  test('a subscription that does not exist is said once, and used as soon as it does', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const subscription = `${bench.topics.subscription}-of-tomorrow`;
    const errors: string[] = [];
    const log = createLogger({ level: 'error', name: 'test', stream: { write: (line) => errors.push(line) } });
    let calls = 0;
    const consumer = bench.consume(
      async () => {
        calls += 1;
        return { kind: 'done' };
      },
      { subscription, log },
    );
    await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(3));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(subscription);
    const { topic } = bench.topics;
    await bench.client.subscriber.createSubscription({ name: subscription, topic, ackDeadlineSeconds: ACK_DEADLINE_SECONDS });
    await bench.send(['at last']);
    await until(() => expect(calls).toBe(1));
  });

  test('with exactly-once delivery messages are acknowledged too', async ({ onTestFinished }) => {
    const bench = await createBench(host, onTestFinished);
    const { topic } = bench.topics;
    const subscription = `${bench.topics.subscription}-once`;
    await bench.client.subscriber.createSubscription({
      name: subscription,
      topic,
      ackDeadlineSeconds: ACK_DEADLINE_SECONDS,
      enableExactlyOnceDelivery: true,
    });
    const seen: QueueMessage[] = [];
    bench.consume(
      async (message) => {
        seen.push(message);
        return { kind: 'done' };
      },
      { subscription },
    );
    await bench.send(['a', 'b', 'c']);
    await until(() => expect(textsOf(seen)).toEqual(['a', 'b', 'c']));
    await sleep((ACK_DEADLINE_SECONDS + 2) * 1000);
    expect(seen).toHaveLength(3);
  });
});

describe.skipIf(emulator === null)('Pub/Sub consumer and its emulator', () => {
  test('an emulator that is ended and started again, empty, is consumed from again', async ({ onTestFinished }) => {
    const first = (await startPubsubPeer()) ?? expect.unreachable('no emulator');
    const bench = await createBench(first.host, onTestFinished);
    const seen: string[] = [];
    const consumer = bench.consume(async ({ body }) => {
      seen.push(body);
      return { kind: 'done' };
    });
    await bench.send(['before']);
    await until(() => expect(seen).toEqual(['before']));
    await first.stop();
    await until(() => expect(consumer.status().failedPolls).toBeGreaterThan(1));
    const again = await startPubsubEmulator({ port: Number(first.host.split(':')[1]), log: silentLogger });
    onTestFinished(() => again.stop());
    await bench.createTopics();
    await bench.send(['after']);
    await until(() => expect(seen).toEqual(['before', 'after']));
  });
});
