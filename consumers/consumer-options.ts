/** What a consumer of any queue is told, and how long its waits are unless told. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { HandleMessage } from './queue-message.ts';

export interface ConsumerOptions {
  readonly handle: HandleMessage;
  readonly log: Logger;
  /** Hears of every message that has been put into the dead-letter queue. */
  readonly onDeadLetter?: (error: MillraceError) => void;
  /** How long `stop` lets running work go on before it is stopped and its messages are given back. */
  readonly stopTimeoutMs?: number;
  /** Pauses before the queue is asked again while it is away. */
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
}

export const DEFAULT_STOP_TIMEOUT_MS = 25_000;
/** How long stopped work may take to end and its messages to be given back. */
export const GIVE_BACK_MS = 3_000;
const DEFAULT_FIRST_PAUSE_MS = 500;
const DEFAULT_MAX_PAUSE_MS = 30_000;

/** For `backOffMs`. */
export function pausesOf({ firstPauseMs, maxPauseMs }: ConsumerOptions): { readonly firstMs: number; readonly maxMs: number } {
  return { firstMs: firstPauseMs ?? DEFAULT_FIRST_PAUSE_MS, maxMs: maxPauseMs ?? DEFAULT_MAX_PAUSE_MS };
}

/** Resolves when all have ended, or after so long. */
export async function within(limitMs: number, ends: readonly (Promise<unknown> | undefined)[]): Promise<void> {
  const timer = new AbortController();
  const limit = sleep(Math.max(0, limitMs), undefined, { signal: timer.signal }).catch(() => undefined);
  await Promise.race([Promise.all(ends), limit]);
  timer.abort();
}
