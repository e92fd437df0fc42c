/**
 * Has jobs looked at again sooner than the sweep would: those whose items may be tried again, and those that wait for slots which have
 * just become free. All of it is in the bucket's notes too, so what is forgotten here is only late.
 */
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface WakeUpsOptions {
  readonly wake: (job: string) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}

export interface WakeUps {
  /** Has the job looked at at that time; `null` forgets an earlier one. */
  remember(job: string, atMs: number | null): void;
  now(job: string): void;
  close(): void;
}

/** More jobs than these wait for the sweep. */
const MAX_TIMERS = 10_000;

export function createWakeUps({ wake, now, log }: WakeUpsOptions): WakeUps {
  const timers = new Map<string, NodeJS.Timeout>();
  let isClosed = false;

  function wakeNow(job: string): void {
    if (isClosed) return;
    wake(job).catch((thrown: unknown) => {
      log.warn({ job, error: asMillraceError(thrown) }, 'a job could not be looked at again; the sweep will');
    });
  }

  return {
    remember(job, atMs) {
      clearTimeout(timers.get(job));
      timers.delete(job);
      if (atMs === null || isClosed || timers.size >= MAX_TIMERS) return;
      const timer = setTimeout(
        () => {
          timers.delete(job);
          wakeNow(job);
        },
        Math.max(0, atMs - now()),
      );
      timers.set(job, timer);
    },
    now: wakeNow,
    close() {
      isClosed = true;
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
