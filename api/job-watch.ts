/**
 * Watches jobs for those who want to know when they change. However many watch one job, it is looked at once; and the longer a look takes,
 * the longer the pause before the next one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { JobView } from './documents/job.ts';
import { RequestError } from './problem.ts';

export interface JobWatchOptions {
  readonly look: (job: string, signal: AbortSignal) => Promise<JobView>;
  readonly maxStreams: number;
  readonly pollMs?: number;
  readonly log: Logger;
}

export interface JobListener {
  /** At once where the job is known already, and then whenever it has changed. */
  changed(view: JobView): void;
  /** Nothing more will come. */
  ended(): void;
}

export interface JobWatch {
  /** Answers what ends it. Throws BUSY where too many watch. */
  add(job: string, listener: JobListener): () => void;
  /** How many watch. */
  streams(): number;
  /** Ends all of them. */
  close(): void;
}

interface Watched {
  readonly listeners: Set<JobListener>;
  readonly stop: AbortController;
  view: JobView | undefined;
}

const DEFAULT_POLL_MS = 1_500;
/** A look that took a second is followed by a pause of at least four. */
const PAUSE_PER_LOOK = 4;
const MAX_PAUSE_MS = 60_000;
const RETRY_AFTER_SECONDS = '10';

export function createJobWatch({ look, maxStreams, pollMs = DEFAULT_POLL_MS, log }: JobWatchOptions): JobWatch {
  const watched = new Map<string, Watched>();
  let streams = 0;
  let isClosed = false;

  function remove(job: string, entry: Watched, listener: JobListener): void {
    if (!entry.listeners.delete(listener)) return;
    streams -= 1;
    if (entry.listeners.size > 0) return;
    entry.stop.abort();
    if (watched.get(job) === entry) watched.delete(job);
  }

  function end(job: string, entry: Watched): void {
    for (const listener of [...entry.listeners]) {
      remove(job, entry, listener);
      listener.ended();
    }
  }

  async function watch(job: string, entry: Watched): Promise<void> {
    const { signal } = entry.stop;
    while (!signal.aborted) {
      const startMs = performance.now();
      try {
        const view = await look(job, signal);
        if (signal.aborted) return;
        if (view.revision !== entry.view?.revision) {
          entry.view = view;
          for (const listener of [...entry.listeners]) listener.changed(view);
        }
        if (view.ended) return end(job, entry);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asMillraceError(thrown);
        // A job that was deleted meanwhile is over too.
        if (error.code === 'NOT_FOUND') return end(job, entry);
        log.warn({ job, error }, 'a watched job could not be looked at; it is tried again');
      }
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(pollMs, (performance.now() - startMs) * PAUSE_PER_LOOK));
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    add(job, listener) {
      if (isClosed || streams >= maxStreams) {
        const why = isClosed ? 'this server is stopping' : `${maxStreams} streams are open already`;
        throw new RequestError('BUSY', why, { headers: { 'retry-after': RETRY_AFTER_SECONDS } });
      }
      streams += 1;
      const known = watched.get(job);
      const entry: Watched = known ?? { listeners: new Set(), stop: new AbortController(), view: undefined };
      entry.listeners.add(listener);
      if (known === undefined) {
        watched.set(job, entry);
        void watch(job, entry);
      } else if (known.view !== undefined) listener.changed(known.view);
      return () => remove(job, entry, listener);
    },
    streams: () => streams,
    close() {
      isClosed = true;
      for (const [job, entry] of [...watched]) end(job, entry);
    },
  };
}
