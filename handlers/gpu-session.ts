/**
 * One process at a time on the GPU's encoder and decoder, however many tasks a worker runs: sessions are few, and two encodes at
 * once are no faster than one after the other. What works on the CPU alone does not pass here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { stopReason } from './ffmpeg/run.ts';
import { delayMs, type RetryPolicy } from './retry.ts';

/** Another process's session, or memory that is about to be given back, is gone within seconds. */
export const GPU_RETRY: RetryPolicy = { attempts: 3, firstDelayMs: 2000, maxDelayMs: 8000 };

export interface GpuSession {
  /** Throws what `work` throws (GPU_OUT_OF_MEMORY once retries are spent), or why `signal` was aborted while it waited. */
  use<T>(work: () => Promise<T>, options: { readonly signal: AbortSignal; readonly log: Logger }): Promise<T>;
}

export function createGpuSession(retry: RetryPolicy = GPU_RETRY): GpuSession {
  let last: Promise<void> = Promise.resolve();
  return {
    async use(work, { signal, log }) {
      const before = last;
      const { promise: done, resolve: leave } = Promise.withResolvers<void>();
      // Whoever gives up waiting still stands in line for those behind.
      last = Promise.all([before, done]).then(() => undefined);
      try {
        await turn(before, signal);
        return await patiently(work, retry, signal, log);
      } finally {
        leave();
      }
    },
  };
}

/** Resolves when it is this one's turn; throws where `signal` is aborted first. */
async function turn(before: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(stopReason(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function patiently<T>(work: () => Promise<T>, retry: RetryPolicy, signal: AbortSignal, log: Logger): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (thrown) {
      const passing = thrown instanceof MillraceError && thrown.code === 'GPU_OUT_OF_MEMORY';
      if (!passing || attempt >= retry.attempts || signal.aborted) throw thrown;
      const waitMs = delayMs(attempt, retry);
      log.warn({ error: thrown, attempt, waitMs }, 'the GPU is full; trying again');
      await sleep(waitMs, undefined, { signal }).catch(() => {
        throw stopReason(signal);
      });
    }
  }
}
