/**
 * The SQS consumer. sqs-consumer polls; receiving, handling and settling are apart, so that one slow message holds up neither the
 * others of its batch nor the next batch.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message, SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';
import { asMillraceError } from '../errors.ts';
import { backOffMs } from './back-off.ts';
import { type ConsumerOptions, DEFAULT_STOP_TIMEOUT_MS, GIVE_BACK_MS, pausesOf, within } from './consumer-options.ts';
import type { QueueConsumer } from './queue-message.ts';
import { settleSqsMessage } from './sqs-message.ts';
import { createRedriveReader } from './sqs-redrive.ts';

export interface SqsConsumerOptions extends ConsumerOptions {
  /** Its request timeout must be longer than `waitTimeSeconds`. */
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** That of the queue's redrive policy unless given. */
  readonly deadLetterQueueUrl?: string;
  /** How many polls may be under way at once; each holds at most 2,010 messages. */
  readonly pollers?: number;
  /** How long a received message is ours without a sign of life; extended while it is worked on. */
  readonly visibilityTimeoutSeconds: number;
  /** Long polling: 1 to 20. A stop may take as long. */
  readonly waitTimeSeconds?: number;
}

/** SQS's limit. */
const BATCH_SIZE = 10;
/**
 * A poller asks for a batch while it holds at most so many. A big job has thousands of events, and all that are held when a look at it
 * begins are settled by that look: with few, other jobs' events would wait behind them in the queue, and the job, whose looks take longer
 * the bigger it is, would be listed the more often.
 */
export const MAX_HELD_BEFORE_POLL = 2_000;
export const DEFAULT_POLLERS = 2;
const DEFAULT_WAIT_TIME_SECONDS = 10;
/** sqs-consumer's own pause for what it takes for errors of authentication; ours comes on top. */
const LIBRARY_PAUSE_MS = 1;
/** How often a stop looks whether the last poll has ended: sqs-consumer's own event for it is only as fine as a second. */
const POLL_END_CHECK_MS = 25;

export function createSqsConsumer(options: SqsConsumerOptions): QueueConsumer {
  const { log, random = Math.random } = options;
  const queue = {
    client: options.client,
    queueUrl: options.queueUrl,
    deadLetterQueueUrl: options.deadLetterQueueUrl,
    redrive: createRedriveReader({ client: options.client, queueUrl: options.queueUrl, log }),
    visibilityTimeoutSeconds: options.visibilityTimeoutSeconds,
    log,
    onDeadLetter: options.onDeadLetter,
    random,
  };
  const stopTimeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
  /** Aborted first: no more polls. */
  const stopPolling = new AbortController();
  /** Aborted last: running work has to end. */
  const stopWork = new AbortController();
  let state: 'new' | 'running' | 'stopped' = 'new';
  let stopping: Promise<void> | undefined;
  let gate: PromiseWithResolvers<void> | undefined;
  let lastPollMs: number | undefined;
  const pollers = Array.from({ length: options.pollers ?? DEFAULT_POLLERS }, createPoller);

  function createPoller() {
    const held = new Set<Promise<void>>();
    let failedPolls = 0;

    /** Resolves when a poll may begin; throws once none may. */
    async function mayPoll(): Promise<void> {
      if (failedPolls > 0) {
        await sleep(backOffMs(failedPolls, pausesOf(options), random), undefined, { signal: stopPolling.signal });
      }
      const stopped = Promise.withResolvers<never>();
      const stop = () => stopped.reject(stopPolling.signal.reason);
      stopPolling.signal.addEventListener('abort', stop, { once: true });
      try {
        while (gate !== undefined || held.size > MAX_HELD_BEFORE_POLL) {
          await Promise.race([gate?.promise ?? Promise.race(held), stopped.promise]);
        }
      } finally {
        stopPolling.signal.removeEventListener('abort', stop);
      }
      stopPolling.signal.throwIfAborted();
    }

    function take(message: Message): void {
      const settled = settleSqsMessage(queue, message, options.handle, stopWork.signal).finally(() => held.delete(settled));
      held.add(settled);
    }

    const consumer = Consumer.create({
      sqs: options.client,
      queueUrl: options.queueUrl,
      batchSize: BATCH_SIZE,
      visibilityTimeout: options.visibilityTimeoutSeconds,
      waitTimeSeconds: options.waitTimeSeconds ?? DEFAULT_WAIT_TIME_SECONDS,
      authenticationErrorTimeout: LIBRARY_PAUSE_MS,
      messageSystemAttributeNames: ['ApproximateReceiveCount', 'SentTimestamp'],
      messageAttributeNames: ['All'],
      strictReturn: true,
      suppressFifoWarning: true,
      // Each message is deleted when its own work is done, by settleSqsMessage.
      shouldDeleteMessages: false,
      preReceiveMessageCallback: mayPoll,
      postReceiveMessageCallback: async () => {
        if (failedPolls > 0) log.info({ failedPolls }, 'the queue answers again');
        failedPolls = 0;
        lastPollMs = Date.now();
      },
      handleMessageBatch: async (messages) => {
        for (const message of messages) take(message);
        return messages;
      },
    });
    consumer.on('error', (error) => {
      if (stopPolling.signal.aborted) return;
      failedPolls += 1;
      log.warn({ error: asMillraceError(error), failedPolls }, 'the queue could not be polled');
    });
    return { consumer, held, failedPolls: () => failedPolls };
  }

  const held = () => pollers.flatMap((poller) => [...poller.held]);
  const inFlight = () => held().length;

  async function finish(): Promise<void> {
    const deadlineMs = performance.now() + stopTimeoutMs;
    stopPolling.abort(new Error('the consumer is stopping'));
    for (const { consumer } of pollers) consumer.stop();
    // A poll that is under way is let end: SQS may just be handing it messages, which would else be hidden for a whole lease.
    while (pollers.some(({ consumer }) => consumer.status.isPolling) && performance.now() < deadlineMs) {
      await sleep(POLL_END_CHECK_MS);
    }
    await within(deadlineMs - performance.now(), held());
    if (inFlight() === 0) return;
    log.warn({ inFlight: inFlight() }, 'the consumer stops before its work is done; the messages go back to the queue');
    stopWork.abort(new Error('the consumer is stopping'));
    await within(GIVE_BACK_MS, held());
  }

  return {
    start() {
      if (state !== 'new') throw new Error('a consumer starts once');
      state = 'running';
      // Not waited for: it is needed once a message has failed, and says in the log at start what it cannot read.
      void queue.redrive.read();
      for (const { consumer } of pollers) consumer.start();
    },
    stop() {
      stopping ??= state === 'running' ? finish() : Promise.resolve();
      state = 'stopped';
      return stopping;
    },
    pause() {
      gate ??= Promise.withResolvers<void>();
    },
    resume() {
      gate?.resolve();
      gate = undefined;
    },
    status() {
      const failedPolls = Math.max(0, ...pollers.map((poller) => poller.failedPolls()));
      const full = pollers.every(({ held }) => held.size > MAX_HELD_BEFORE_POLL);
      return { running: state === 'running', paused: gate !== undefined, lastPollMs, failedPolls, inFlight: inFlight(), full };
    },
  };
}
