/** Trying again what the network broke, with a bound. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type ErrorCode, MillraceError } from '../errors.ts';

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const NETWORK_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 200, maxDelayMs: 5000 };

/** Where only trying later can help; the other retryable codes mean "with another run". */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SOURCE_UNREACHABLE',
  'DESTINATION_UNREACHABLE',
  'PUBLIC_GET_FAILED',
]);

export function isTransient(error: MillraceError): boolean {
  return error.retryable && TRANSIENT.has(error.code);
}

/** Calls `work` until it succeeds, fails for good, or the policy or the signal ends it. */
export async function withRetry<T>(
  work: (attempt: number) => Promise<T>,
  { signal, policy, code }: { readonly signal: AbortSignal; readonly policy: RetryPolicy; readonly code: ErrorCode },
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const error = asNetworkError(thrown, code);
      if (attempt >= policy.attempts || !isTransient(error)) throw error;
      await sleep(delayMs(attempt, policy), undefined, { signal });
    }
  }
}

export function delayMs(attempt: number, policy: RetryPolicy): number {
  return Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
}

/** Node's errors (a reset connection, a name that does not resolve, a body that broke off) as `code`; Millrace's as they are. */
export function asNetworkError(thrown: unknown, code: ErrorCode): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  if (isSystemError(thrown, 'ENOSPC') || isSystemError(thrown, 'EDQUOT')) {
    return new MillraceError('DISK_FULL', "The worker's disk is full.", { cause: thrown });
  }
  return asMillraceError(thrown, code);
}

export function isSystemError(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code;
}
