/** So many requests a minute for each caller: a bucket of tokens that fills as time goes by. */
import { RequestError } from './problem.ts';

export interface RateLimit {
  /** Throws RATE_LIMITED, with Retry-After. */
  take(caller: string): void;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Callers that are remembered; the one that has been silent longest goes first. */
const MAX_CALLERS = 10_000;
const MINUTE_MS = 60_000;

/** `perMinute` 0 is no limit. */
export function createRateLimit(perMinute: number, now: () => number): RateLimit {
  const buckets = new Map<string, Bucket>();
  return {
    take(caller) {
      if (perMinute === 0) return;
      const nowMs = now();
      const known = buckets.get(caller) ?? { left: perMinute, atMs: nowMs };
      const gained = (Math.max(0, nowMs - known.atMs) * perMinute) / MINUTE_MS;
      const left = Math.min(perMinute, known.left + gained);
      buckets.delete(caller);
      buckets.set(caller, { left: left < 1 ? left : left - 1, atMs: nowMs });
      const [oldest] = buckets.keys();
      if (buckets.size > MAX_CALLERS && oldest !== undefined) buckets.delete(oldest);
      if (left >= 1) return;
      const seconds = Math.max(1, Math.ceil(((1 - left) * MINUTE_MS) / perMinute / 1000));
      throw new RequestError('RATE_LIMITED', `more than ${perMinute} requests came in a minute`, {
        fix: `Wait ${seconds} s; the header Retry-After says so too.`,
        headers: { 'retry-after': String(seconds) },
      });
    },
  };
}
