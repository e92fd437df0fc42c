/**
 * While the bucket cannot be used, nothing is received: every message would only spend its receive count, and good events would
 * end in the dead-letter queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type ErrorCode, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { backOffMs } from './back-off.ts';

export interface BucketWatchOptions {
  /** Succeeds where the bucket can be used: a small read. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** Paused and resumed together. */
  readonly consumers: readonly { pause(): void; resume(): void }[];
  readonly log: Logger;
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
}

export interface BucketWatch {
  /** To be told of every failed reconcile. */
  report(error: MillraceError): void;
  /** False from the first failure until a probe has succeeded. */
  isReachable(): boolean;
  /** Stops probing. The consumers stay as they are. */
  close(): Promise<void>;
}

const DEFAULT_FIRST_PAUSE_MS = 1_000;
const DEFAULT_MAX_PAUSE_MS = 60_000;

/** Refused credentials are no job's fault either: every other message would fail in the same way. */
const BUCKET_CODES: ReadonlySet<ErrorCode> = new Set(['STORE_UNREACHABLE', 'STORE_FORBIDDEN']);

export function createBucketWatch(options: BucketWatchOptions): BucketWatch {
  const { probe, consumers, log, random = Math.random } = options;
  const stop = new AbortController();
  let watching: Promise<void> | undefined;

  async function watch(error: MillraceError): Promise<void> {
    log.error({ error }, 'the bucket cannot be used: receiving is paused');
    for (const consumer of consumers) consumer.pause();
    for (let attempt = 1; ; attempt++) {
      const pause = {
        firstMs: options.firstPauseMs ?? DEFAULT_FIRST_PAUSE_MS,
        maxMs: options.maxPauseMs ?? DEFAULT_MAX_PAUSE_MS,
      };
      try {
        await sleep(backOffMs(attempt, pause, random), undefined, { signal: stop.signal });
        await probe(stop.signal);
      } catch (thrown) {
        if (stop.signal.aborted) return;
        log.warn({ error: asMillraceError(thrown), attempt }, 'the bucket still cannot be used');
        continue;
      }
      if (stop.signal.aborted) return;
      log.info({ attempt }, 'the bucket can be used again: receiving goes on');
      watching = undefined;
      for (const consumer of consumers) consumer.resume();
      return;
    }
  }

  return {
    report(error) {
      if (!BUCKET_CODES.has(error.code) || stop.signal.aborted) return;
      watching ??= watch(error);
    },
    isReachable: () => watching === undefined,
    async close() {
      stop.abort();
      await watching;
    },
  };
}
