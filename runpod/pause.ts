/** Waiting, and how long to wait before the n-th repetition. */

/** Resolves after `ms`, or at once when `signal` aborts. Never rejects. */
export type Pause = (ms: number, signal?: AbortSignal) => Promise<void>;

export const pause: Pause = (ms, signal) =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });

export interface BackOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** Doubles with every failure up to `mostMs`; the upper half is random, so that workers do not come back in step. */
export function backOffMs({ firstMs, mostMs }: BackOff, failures: number, random: () => number): number {
  const full = Math.min(firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30), mostMs);
  return full / 2 + (full / 2) * random();
}
