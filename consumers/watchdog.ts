/** Notices a consumer whose queue has gone silent: no poll answered for too long, whatever the reason and even without an error. */
import type { Logger } from '../log.ts';
import type { ConsumerStatus } from './queue-message.ts';

export interface PollReading {
  readonly status: Pick<ConsumerStatus, 'running' | 'paused' | 'full' | 'lastPollMs'>;
  /** From when on silence counts: the start, or when it last asked for nothing on purpose. Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly nowMs: number;
  readonly maxSilenceMs: number;
}

/** For how long the queue has not answered, where that is longer than it may be; undefined where all is well. */
export function stalledForMs({ status, sinceMs, nowMs, maxSilenceMs }: PollReading): number | undefined {
  if (!status.running || asksForNothing(status)) return undefined;
  const silentMs = nowMs - Math.max(sinceMs, status.lastPollMs ?? sinceMs);
  return silentMs > maxSilenceMs ? silentMs : undefined;
}

/** One that holds as many messages as it may has no poll under way: many events of one big job wait for the same long look at it. */
const asksForNothing = ({ paused, full }: Pick<ConsumerStatus, 'paused' | 'full'>): boolean => paused || full;

export interface WatchdogOptions {
  /** As in the logs: `sqs`. */
  readonly name: string;
  readonly consumer: { status(): ConsumerStatus };
  readonly log: Logger;
  /** Must be longer than a poll is held open and longer than the consumer's longest pause between polls. */
  readonly maxSilenceMs?: number;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

export interface Watchdog {
  /** False while the consumer should be receiving and its queue does not answer. Looks anew at every call. */
  isHealthy(): boolean;
  /** For how long the queue has not answered, in milliseconds; undefined where `isHealthy`. Looks anew at every call. */
  stalledForMs(): number | undefined;
  close(): void;
}

/** Consumers pause for half a minute at most while their queue is away: a shorter bound would call that a stall. */
const DEFAULT_MAX_SILENCE_MS = 120_000;
/** Looks within one allowed silence. */
const LOOKS_PER_SILENCE = 8;

/** To be made as the consumer starts. Says once that a stall began, and once that it is over. */
export function createWatchdog(options: WatchdogOptions): Watchdog {
  const { name, consumer, log, maxSilenceMs = DEFAULT_MAX_SILENCE_MS, nowMs = Date.now } = options;
  let sinceMs = nowMs();
  let stalledSinceMs: number | undefined;

  function look(): number | undefined {
    const status = consumer.status();
    const now = nowMs();
    // After that the queue gets its full time to answer again.
    if (asksForNothing(status)) sinceMs = now;
    const silentMs = stalledForMs({ status, sinceMs, nowMs: now, maxSilenceMs });
    if (silentMs !== undefined && stalledSinceMs === undefined) {
      stalledSinceMs = now - silentMs;
      const { failedPolls, inFlight } = status;
      log.error({ consumer: name, silentMs, failedPolls, inFlight }, 'the queue does not answer: nothing is received');
    } else if (silentMs === undefined && stalledSinceMs !== undefined) {
      const lastedMs = now - stalledSinceMs;
      stalledSinceMs = undefined;
      log.error({ consumer: name, lastedMs }, end(status));
    }
    return silentMs;
  }

  const timer = setInterval(look, maxSilenceMs / LOOKS_PER_SILENCE);
  timer.unref();
  return { isHealthy: () => look() === undefined, stalledForMs: look, close: () => clearInterval(timer) };
}

function end({ running, paused }: ConsumerStatus): string {
  if (!running) return 'the consumer whose queue did not answer has stopped';
  return paused ? 'the consumer whose queue did not answer is paused' : 'the queue answers again';
}
