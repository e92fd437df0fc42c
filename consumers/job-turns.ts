/**
 * One reconcile for all events of a job that arrive together. Whoever asks gets an answer from a reconcile that began after the
 * asking: one that was already running may have read the job's folder before the event's object was there.
 */
import { asMillraceError, type ErrorCode, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type Trace, untraced } from '../trace.ts';
import type { ObserveConsumer } from './observer.ts';

export interface JobTurnsOptions {
  readonly reconcile: (job: string, signal: AbortSignal) => Promise<void>;
  /** How many jobs are reconciled at once; one job never twice at once. */
  readonly concurrency: number;
  readonly log: Logger;
  readonly trace?: Trace | undefined;
  readonly observe?: ObserveConsumer | undefined;
}

export interface JobTurns {
  /**
   * Resolves once a reconcile of `job` that began after this call has succeeded; rejects with what it threw, or with CANCELLED
   * when `signal` is aborted first or the turns are closed. A reconcile that nobody waits for any more is stopped.
   */
  request(job: string, signal?: AbortSignal): Promise<void>;
  /** Resolves when nothing runs and nothing waits. */
  drain(): Promise<void>;
  /** Takes no more requests and drains; what is not done after `graceMs` is stopped, and its requesters get CANCELLED. */
  close(graceMs: number): Promise<void>;
  /** How many jobs are being reconciled, and how many wait for their turn. */
  status(): { readonly running: number; readonly waiting: number };
}

interface Turn {
  readonly job: string;
  readonly stop: AbortController;
  readonly waiters: Set<PromiseWithResolvers<void>>;
  /** Of whoever asked, the first first. A turn is often begun by the end of another one, which is not where it belongs. */
  readonly traceparents: string[];
}

export function createJobTurns({ reconcile, concurrency, log, observe, trace = untraced }: JobTurnsOptions): JobTurns {
  const running = new Map<string, Turn>();
  /** Turns that have not begun, at most one a job, in the order of their first request. */
  const pending = new Map<string, Turn>();
  const idle = new Set<() => void>();
  let isClosed = false;

  function pendingTurn(job: string): Turn {
    const known = pending.get(job);
    if (known !== undefined) return known;
    const turn: Turn = { job, stop: new AbortController(), waiters: new Set(), traceparents: [] };
    pending.set(job, turn);
    return turn;
  }

  /** Begins what may begin: the oldest turns whose job is not running. */
  function advance(): void {
    for (const turn of pending.values()) {
      if (running.size >= concurrency) return;
      if (running.has(turn.job)) continue;
      pending.delete(turn.job);
      running.set(turn.job, turn);
      void run(turn);
    }
    if (running.size > 0 || pending.size > 0) return;
    for (const resolve of idle) resolve();
    idle.clear();
  }

  async function run(turn: Turn): Promise<void> {
    const { job, stop, waiters, traceparents } = turn;
    const [parent = null, ...links] = traceparents;
    const startedAtMs = performance.now();
    const ended = (code: ErrorCode | null) => observe?.('reconciled', { durationMs: performance.now() - startedAtMs, code });
    try {
      const attributes = { 'millrace.job': job, 'millrace.requests': waiters.size };
      await trace.span('reconcile', { parent, links, attributes }, () => reconcile(job, stop.signal));
      ended(null);
      for (const waiter of waiters) waiter.resolve();
    } catch (thrown) {
      const error = asMillraceError(thrown);
      ended(error.code);
      if (waiters.size === 0) log.debug({ job, error }, 'a reconcile that nobody waited for has ended');
      for (const waiter of waiters) waiter.reject(error);
    }
    running.delete(job);
    advance();
  }

  function leave(turn: Turn, waiter: PromiseWithResolvers<void>): void {
    if (!turn.waiters.delete(waiter)) return;
    waiter.reject(cancelled(turn.job));
    if (turn.waiters.size > 0) return;
    turn.stop.abort(cancelled(turn.job));
    if (pending.get(turn.job) === turn) pending.delete(turn.job);
    advance();
  }

  async function drain(): Promise<void> {
    if (running.size === 0 && pending.size === 0) return;
    await new Promise<void>((resolve) => idle.add(resolve));
  }

  return {
    async request(job, signal) {
      if (isClosed || signal?.aborted === true) throw cancelled(job);
      const turn = pendingTurn(job);
      const waiter = Promise.withResolvers<void>();
      turn.waiters.add(waiter);
      const traceparent = trace.traceparent();
      if (traceparent !== undefined && turn.traceparents.length < MAX_TRACEPARENTS) turn.traceparents.push(traceparent);
      const giveUp = () => leave(turn, waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
      advance();
      try {
        await waiter.promise;
      } finally {
        signal?.removeEventListener('abort', giveUp);
      }
    },

    drain,

    async close(graceMs) {
      isClosed = true;
      const grace = setTimeout(() => {
        for (const turn of [...pending.values(), ...running.values()]) {
          for (const waiter of [...turn.waiters]) leave(turn, waiter);
        }
      }, graceMs);
      // A reconcile that does not heed its signal must not hold up the end of the program for ever.
      const deadline = Promise.withResolvers<void>();
      const end = setTimeout(deadline.resolve, graceMs + STOP_MS);
      await Promise.race([drain(), deadline.promise]);
      clearTimeout(grace);
      clearTimeout(end);
    },

    status() {
      return { running: running.size, waiting: pending.size };
    },
  };
}

/** Thousands of messages may ask for one look at a big job. */
const MAX_TRACEPARENTS = 32;

/** How long a stopped reconcile may take to end. */
const STOP_MS = 2_000;

function cancelled(job: string): MillraceError {
  return new MillraceError('CANCELLED', `the reconcile of ${job} was stopped`, { context: { job } });
}
