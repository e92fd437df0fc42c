/** The Pub/Sub consumer: one StreamingPull that is opened again whenever it ends, and a bounded number of messages worked on at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors.ts';
import { backOffMs } from './back-off.ts';
import { type ConsumerOptions, DEFAULT_STOP_TIMEOUT_MS, GIVE_BACK_MS, pausesOf, within } from './consumer-options.ts';
import { readSubscription } from './pubsub-calls.ts';
import { type PubsubClient, pubsubError, statusOf } from './pubsub-client.ts';
import { holdLease } from './pubsub-lease.ts';
import { giveBack, type PubsubDelivery, type PubsubQueue, settlePubsubMessage } from './pubsub-message.ts';
import { parseSubscriptionName } from './pubsub-names.ts';
import { openPubsubStream, type PubsubStream, type ReceivedMessage } from './pubsub-stream.ts';
import type { QueueConsumer } from './queue-message.ts';
import { createReceiveCounts } from './receive-counts.ts';

export interface PubsubConsumerOptions extends ConsumerOptions {
  readonly client: PubsubClient;
  /** `projects/<project>/subscriptions/<id>`. */
  readonly subscription: string;
  /** The subscription of the dead-letter topic. Without it the topic that the subscription's own policy names is used. */
  readonly deadLetterSubscription?: string;
  /** How many messages are worked on at once. */
  readonly maxMessages?: number;
  /** How long a received message is ours without a sign of life; extended while it is worked on. Kept between 10 and 600. */
  readonly ackDeadlineSeconds: number;
}

/** All events of a big job that are held when a look at it begins are settled by that look: with few, other jobs' events wait behind. */
const DEFAULT_MAX_MESSAGES = 400;
/** Pub/Sub's limits. */
const MIN_ACK_DEADLINE_SECONDS = 10;
const MAX_ACK_DEADLINE_SECONDS = 600;

/** Throws CONFIG_INVALID where a name is none of Pub/Sub's. */
export function createPubsubConsumer(options: PubsubConsumerOptions): QueueConsumer {
  const { client, subscription, deadLetterSubscription, log, random = Math.random } = options;
  parseSubscriptionName(subscription);
  if (deadLetterSubscription !== undefined) parseSubscriptionName(deadLetterSubscription, 'The dead-letter subscription');
  const maxMessages = options.maxMessages ?? DEFAULT_MAX_MESSAGES;
  /** Half of what the service lets a stream hold. */
  const maxDelayed = Math.max(1, Math.floor(maxMessages / 2));
  const ackDeadlineSeconds = Math.max(MIN_ACK_DEADLINE_SECONDS, Math.min(options.ackDeadlineSeconds, MAX_ACK_DEADLINE_SECONDS));
  const counts = createReceiveCounts();
  /** Aborted first: nothing more is received. */
  const stopReceiving = new AbortController();
  /** Aborted last: running work has to end. */
  const stopWork = new AbortController();
  const working = new Set<Promise<void>>();
  /** Received beyond the bound: the emulator ignores it, and after a stream is opened again the service counts from zero. */
  const waiting: PubsubDelivery[] = [];
  let queue: PubsubQueue = {
    client,
    subscription,
    deadLetterTopic: undefined,
    maxDeliveryAttempts: undefined,
    log,
    onDeadLetter: options.onDeadLetter,
    random,
  };
  let state: 'new' | 'running' | 'stopped' = 'new';
  let receiving: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let gate: PromiseWithResolvers<void> | undefined;
  let stream: PubsubStream | undefined;
  /** Messages of the present stream that wait for their delay: the service goes on to count them against its bound. */
  let delayed = 0;
  let lastPollMs: number | undefined;
  let failedPolls = 0;

  async function receive(): Promise<void> {
    while (!stopReceiving.signal.aborted) {
      try {
        await mayOpen();
        await readSettings();
        if (gate !== undefined || stopReceiving.signal.aborted) continue;
        delayed = 0;
        stream = openPubsubStream({
          client,
          subscription,
          ackDeadlineSeconds,
          maxOutstanding: maxMessages,
          onMessages: (messages) => messages.forEach(take),
          onAlive,
        });
        await stream.ended;
        onAlive();
      } catch (thrown) {
        if (stopReceiving.signal.aborted) return;
        await pauseAfter(thrown);
      } finally {
        stream = undefined;
      }
    }
  }

  /** Resolves when a stream may be opened; throws once none may. */
  async function mayOpen(): Promise<void> {
    const stopped = Promise.withResolvers<never>();
    const stop = () => stopped.reject(stopReceiving.signal.reason);
    stopReceiving.signal.addEventListener('abort', stop, { once: true });
    try {
      while (gate !== undefined || waiting.length > 0) {
        await Promise.race([gate?.promise ?? Promise.race(working), stopped.promise]);
      }
    } finally {
      stopReceiving.signal.removeEventListener('abort', stop);
    }
    stopReceiving.signal.throwIfAborted();
  }

  function onAlive(): void {
    if (failedPolls > 0) log.info({ failedPolls }, 'the subscription answers again');
    failedPolls = 0;
    lastPollMs = Date.now();
  }

  /** Before every stream, because the policy may have changed. Who may not look at the subscription may yet receive from it. */
  async function readSettings(): Promise<void> {
    try {
      const { deadLetterTopic, maxDeliveryAttempts } = await readSubscription(client, subscription);
      const topic = deadLetterSubscription === undefined ? deadLetterTopic : await topicOf(deadLetterSubscription);
      if (queue.deadLetterTopic !== topic && deadLetterTopic !== undefined && topic !== deadLetterTopic) {
        log.warn(
          { topic, policy: deadLetterTopic },
          "the subscription's dead-letter policy names another topic than the settings",
        );
      }
      queue = { ...queue, deadLetterTopic: topic, maxDeliveryAttempts };
    } catch (thrown) {
      if (statusOf(thrown) !== 'PERMISSION_DENIED') throw thrown;
      if (failedPolls === 0 && lastPollMs === undefined) {
        const error = pubsubError(thrown, `to describe ${subscription} or its dead-letter subscription`);
        log.warn({ error }, 'the dead-letter policy is not known: what fails is left to it');
      }
    }
  }

  async function topicOf(name: string): Promise<string> {
    try {
      return (await readSubscription(client, name)).topic;
    } catch (thrown) {
      if (statusOf(thrown) !== 'NOT_FOUND') throw thrown;
      throw new MillraceError('CONFIG_INVALID', `The dead-letter subscription ${name} does not exist.`, {
        cause: thrown,
        fix: 'Create it on the dead-letter topic, or correct its name.',
      });
    }
  }

  async function pauseAfter(thrown: unknown): Promise<void> {
    failedPolls += 1;
    const error = pubsubError(thrown, `to receive from ${subscription}`);
    const isHopeless = !error.retryable;
    // The service closes streams now and then; one failure is its daily business, and an error that lasts is said once.
    if (isHopeless && failedPolls === 1) log.error({ error }, 'nothing can be received until this is put right');
    else log[failedPolls === 1 || isHopeless ? 'debug' : 'warn']({ error, failedPolls }, 'the subscription could not be read');
    const { firstMs, maxMs } = pausesOf(options);
    // The longer one at once where trying again soon cannot help.
    const pause = { firstMs: isHopeless ? maxMs : firstMs, maxMs };
    await sleep(backOffMs(failedPolls, pause, random), undefined, { signal: stopReceiving.signal }).catch(() => undefined);
  }

  function take(message: ReceivedMessage): void {
    const receiveCount = message.deliveryAttempt > 0 ? message.deliveryAttempt : counts.next(message.id);
    const lease = holdLease({ client, subscription, ackId: message.ackId, ackDeadlineSeconds, log });
    waiting.push({ message, lease, receiveCount });
    work();
    // What is sent from here on would only wait.
    if (waiting.length > 0) stream?.end();
  }

  function work(): void {
    while (working.size < maxMessages) {
      const delivery = waiting.shift();
      if (delivery === undefined) return;
      if (delivery.lease.lost.aborted) continue;
      const settled = settle(delivery).finally(() => {
        working.delete(settled);
        work();
      });
      working.add(settled);
    }
  }

  async function settle(delivery: PubsubDelivery): Promise<void> {
    const end = await settlePubsubMessage(queue, delivery, options.handle, stopWork.signal);
    if (end === 'acknowledged') counts.forget(delivery.message.id);
    if (end === 'delayed') delayed += 1;
    // A new stream is counted from zero; else a few messages that wait for minutes would hold up all others.
    if (delayed >= maxDelayed) stream?.end();
  }

  const inFlight = () => working.size + waiting.length;

  async function finish(): Promise<void> {
    const deadlineMs = performance.now() + stopTimeoutMs();
    stopReceiving.abort(new Error('the consumer is stopping'));
    // Let end, not cut: what the service has sent already would else stay hidden for a whole lease.
    stream?.end();
    await within(deadlineMs - performance.now(), [receiving]);
    const unstarted = waiting.splice(0).map((delivery) => giveBack(queue, delivery, 0).catch(() => undefined));
    await within(deadlineMs - performance.now(), [...working, ...unstarted]);
    if (inFlight() === 0) return;
    log.warn({ inFlight: inFlight() }, 'the consumer stops before its work is done; the messages go back to the subscription');
    stopWork.abort(new Error('the consumer is stopping'));
    await within(GIVE_BACK_MS, [...working]);
  }

  const stopTimeoutMs = () => options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;

  return {
    start() {
      if (state !== 'new') throw new Error('a consumer starts once');
      state = 'running';
      receiving = receive();
    },
    stop() {
      stopping ??= state === 'running' ? finish() : Promise.resolve();
      state = 'stopped';
      return stopping;
    },
    pause() {
      gate ??= Promise.withResolvers<void>();
      stream?.end();
    },
    resume() {
      gate?.resolve();
      gate = undefined;
    },
    status() {
      const full = inFlight() >= maxMessages;
      return { running: state === 'running', paused: gate !== undefined, lastPollMs, failedPolls, inFlight: inFlight(), full };
    },
  };
}
