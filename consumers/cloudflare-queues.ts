/**
 * The consumer of Cloudflare Queues. One loop pulls; handling and settling are apart from it, so that one slow message holds up
 * neither the others of its batch nor the next pull.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type MillraceError } from '../errors.ts';
import { backOffMs } from './back-off.ts';
import { type CloudflareClient, MAX_BATCH_MESSAGES } from './cloudflare-client.ts';
import { type CloudflareQueue, settleCloudflareMessage } from './cloudflare-message.ts';
import { createPolicyReader } from './cloudflare-policy.ts';
import { createSettler, retryAfterMs } from './cloudflare-settler.ts';
import { type ConsumerOptions, DEFAULT_STOP_TIMEOUT_MS, GIVE_BACK_MS, pausesOf, within } from './consumer-options.ts';
import type { QueueConsumer } from './queue-message.ts';

export interface CloudflareConsumerOptions extends ConsumerOptions {
  readonly client: CloudflareClient;
  /** Of the dead-letter queue; that which the queue's own settings name unless given. */
  readonly deadLetterClient?: CloudflareClient;
  /** How many messages may be held at once. */
  readonly maxInFlight?: number;
  /** How long a pulled message is ours without a sign of life, at most 12 hours; extended while it is worked on. */
  readonly visibilityTimeoutSeconds: number;
  /** Pauses between pulls while the queue is empty. */
  readonly firstIdlePauseMs?: number;
  readonly maxIdlePauseMs?: number;
  /** Pause between pulls while somebody has to do something first: the queue is paused, or the token or the consumer is wrong. */
  readonly slowPauseMs?: number;
}

/** All events of a big job that are held when a look at it begins are settled by that look: with few, other jobs' events wait behind. */
const DEFAULT_MAX_IN_FLIGHT = 400;
/**
 * Polling is short and every empty pull is an operation that is billed. A consumer that idles at half a minute makes about 115,000 a
 * month, well inside the million that is included; at a second it would be 3.5 million. A job that is under way is pulled for
 * quickly, because every message begins the ladder again.
 */
const DEFAULT_FIRST_IDLE_PAUSE_MS = 1_000;
const DEFAULT_MAX_IDLE_PAUSE_MS = 30_000;
const DEFAULT_SLOW_PAUSE_MS = 60_000;

export function createCloudflareConsumer(options: CloudflareConsumerOptions): QueueConsumer {
  const { client, log, random = Math.random } = options;
  const maxInFlight = options.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
  const stopTimeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
  const slowPauseMs = options.slowPauseMs ?? DEFAULT_SLOW_PAUSE_MS;
  const idlePause = {
    firstMs: options.firstIdlePauseMs ?? DEFAULT_FIRST_IDLE_PAUSE_MS,
    maxMs: options.maxIdlePauseMs ?? DEFAULT_MAX_IDLE_PAUSE_MS,
  };
  const failurePause = pausesOf(options);
  let hasUnknownLeases = false;
  const queue: CloudflareQueue = {
    client,
    deadLetterClient: options.deadLetterClient,
    policy: createPolicyReader({ client, log }),
    settler: createSettler({ client, pause: failurePause, log, random }),
    visibilityTimeoutMs: options.visibilityTimeoutSeconds * 1000,
    onUnknownLease: () => {
      if (!hasUnknownLeases) log.warn('the queue extends leases without telling their new ids: the old ones are kept');
      hasUnknownLeases = true;
    },
    log,
    onDeadLetter: options.onDeadLetter,
    random,
  };
  /** Aborted first: no more pulls. */
  const stopPolling = new AbortController();
  /** Aborted last: running work has to end. */
  const stopWork = new AbortController();
  const held = new Set<Promise<void>>();
  let state: 'new' | 'running' | 'stopped' = 'new';
  let stopping: Promise<void> | undefined;
  let polling: Promise<void> = Promise.resolve();
  let gate: PromiseWithResolvers<void> | undefined;
  let lastPollMs: number | undefined;
  let failedPolls = 0;
  let emptyPolls = 0;
  /** What was said last about the queue refusing to be pulled: said once, however often it is asked. */
  let saidCode: MillraceError['code'] | undefined;

  async function poll(): Promise<void> {
    while (await mayPoll()) {
      let pauseMs: number;
      try {
        pauseMs = await pull();
      } catch (thrown) {
        pauseMs = afterFailure(asMillraceError(thrown));
      }
      await sleep(pauseMs, undefined, { signal: stopPolling.signal }).catch(() => undefined);
    }
  }

  /** Resolves when a pull may begin, with false once none may. */
  async function mayPoll(): Promise<boolean> {
    const stopped = Promise.withResolvers<void>();
    const stop = () => stopped.resolve();
    stopPolling.signal.addEventListener('abort', stop, { once: true });
    while (!stopPolling.signal.aborted && (gate !== undefined || held.size >= maxInFlight)) {
      await Promise.race([gate?.promise ?? Promise.race(held), stopped.promise]);
    }
    stopPolling.signal.removeEventListener('abort', stop);
    return !stopPolling.signal.aborted;
  }

  /** Answers the pause before the next one. */
  async function pull(): Promise<number> {
    const leasedAtMs = performance.now();
    const batchSize = Math.min(maxInFlight - held.size, MAX_BATCH_MESSAGES);
    // Not stopped by `stopPolling`: messages that are just being handed out would be hidden for a whole lease.
    const { messages, unreadable } = await client.pull(batchSize, queue.visibilityTimeoutMs, stopWork.signal);
    if (failedPolls > 0 || saidCode !== undefined) log.info({ failedPolls }, 'the queue can be pulled from again');
    if (unreadable > 0) log.error({ unreadable }, 'the queue answered messages without a lease: they are left to it');
    failedPolls = 0;
    saidCode = undefined;
    lastPollMs = Date.now();
    for (const message of messages) {
      const settled = settleCloudflareMessage(queue, message, leasedAtMs, options.handle, stopWork.signal).finally(() => {
        held.delete(settled);
      });
      held.add(settled);
    }
    emptyPolls = messages.length > 0 ? 0 : emptyPolls + 1;
    return emptyPolls === 0 ? 0 : backOffMs(emptyPolls, idlePause, random);
  }

  /** Answers the pause before the next pull. */
  function afterFailure(error: MillraceError): number {
    if (stopPolling.signal.aborted) return 0;
    const isPaused = error.code === 'QUEUE_PAUSED';
    if (isPaused) {
      // An answer all the same, and on purpose.
      lastPollMs = Date.now();
      failedPolls = 0;
    } else failedPolls += 1;
    if (!isPaused && error.retryable) {
      saidCode = undefined;
      log.warn({ error, failedPolls }, 'the queue could not be pulled from');
      return Math.max(backOffMs(failedPolls, failurePause, random), retryAfterMs(error));
    }
    if (saidCode !== error.code) {
      if (isPaused) log.warn({ error }, 'the queue is paused: it is asked now and then');
      else log.error({ error }, 'the queue cannot be pulled from: it is asked now and then');
    }
    saidCode = error.code;
    return slowPauseMs;
  }

  async function finish(): Promise<void> {
    const deadlineMs = performance.now() + stopTimeoutMs;
    stopPolling.abort(new Error('the consumer is stopping'));
    await within(deadlineMs - performance.now(), [polling]);
    await within(deadlineMs - performance.now(), [...held]);
    if (held.size > 0)
      log.warn({ inFlight: held.size }, 'the consumer stops before its work is done; the messages go back to the queue');
    stopWork.abort(new Error('the consumer is stopping'));
    await within(GIVE_BACK_MS, [polling, ...held]);
  }

  return {
    start() {
      if (state !== 'new') throw new Error('a consumer starts once');
      state = 'running';
      // Not waited for: it is needed once a message has failed, and says in the log at start what it cannot read.
      void queue.policy.read();
      polling = poll();
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
      const full = held.size >= maxInFlight;
      return { running: state === 'running', paused: gate !== undefined, lastPollMs, failedPolls, inFlight: held.size, full };
    },
  };
}
