/** The ceiling of runs in flight, and its fair sharing: seen from the claims and the results, not from the slots. */
import { type AttemptName, parseWaitingName } from '../../pipeline/layout.ts';
import type { Change, MemoryBucket } from './memory-bucket.ts';
import { LAYOUT } from './settings.ts';

export interface CeilingWatch {
  changed(change: Change): void;
  /** Answers how many runs of the endpoint are in flight, this one included. */
  asked(endpoint: string, job: string, attempts: readonly AttemptName[]): number;
  /** A job that its user has thrown away no longer tells which of its attempts have ended. */
  forget(job: string): void;
  /** The longest time that a job has waited for a slot while it had none. */
  readonly longestWaitMs: () => number;
}

interface AskedRun {
  readonly endpoint: string;
  readonly job: string;
  readonly attempts: readonly AttemptName[];
}

export function createCeilingWatch(bucket: () => MemoryBucket, now: () => number): CeilingWatch {
  let runs: AskedRun[] = [];
  /** Since when a job has waited for an endpoint. */
  const waits = new Map<string, number>();
  let longestMs = 0;

  const isOpen = (job: string, name: AttemptName): boolean =>
    bucket().objects.has(LAYOUT.stateKey('claims', job, name)) && bucket().keysUnder(LAYOUT.resultPrefix(job, name)).length === 0;

  function endWait(id: string): void {
    longestMs = Math.max(longestMs, now() - (waits.get(id) ?? now()));
    waits.delete(id);
  }

  return {
    changed({ key, after }) {
      const prefix = `${LAYOUT.statePrefix}/waiting/`;
      if (!key.startsWith(prefix)) return;
      const [job = '', name = ''] = key.slice(prefix.length).split('/');
      const kind = parseWaitingName(name)?.kind;
      if (kind === undefined || typeof kind === 'string') return;
      const id = `${job}/${kind.slotOf}`;
      const notes = bucket()
        .keysUnder(`${prefix}${job}/`)
        .filter((note) => note.includes(`-slot.${kind.slotOf}.`));
      if (after !== undefined && !waits.has(id)) waits.set(id, now());
      if (notes.length === 0) endWait(id);
    },
    asked(endpoint, job, attempts) {
      endWait(`${job}/${endpoint}`);
      runs = runs.filter((run) => run.attempts.some((name) => isOpen(run.job, name)));
      runs.push({ endpoint, job, attempts });
      return runs.filter((run) => run.endpoint === endpoint).length;
    },
    forget(job) {
      runs = runs.filter((run) => run.job !== job);
    },
    longestWaitMs: () => Math.max(longestMs, ...[...waits.values()].map((sinceMs) => now() - sinceMs)),
  };
}
