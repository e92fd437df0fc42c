/** No more than so many messages a second. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Pace {
  /** How many to send at once: few, so that a second's worth does not go out in one burst. */
  readonly batch: number;
  /** Resolves when `count` more may go; rejects when `signal` is aborted first. */
  next(count: number, signal: AbortSignal): Promise<void>;
}

export interface Clock {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const BATCHES_PER_SECOND = 4;

const realClock: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => void (await sleep(ms, undefined, { signal })),
};

/** `perSecond` undefined: as fast as the queue takes them. */
export function createPace(perSecond: number | undefined, maxBatch: number, clock: Clock = realClock): Pace {
  if (perSecond === undefined) return { batch: maxBatch, next: async () => undefined };
  const batch = Math.min(maxBatch, Math.max(1, Math.floor(perSecond / BATCHES_PER_SECOND)));
  let freeAtMs = clock.now();
  return {
    batch,
    async next(count, signal) {
      const waitMs = freeAtMs - clock.now();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      // From now, not from when it was free: time that was not used is not made up for with a burst.
      freeAtMs = Math.max(freeAtMs, clock.now()) + (count * 1000) / perSecond;
    },
  };
}
