/** The workers that have called, and what they are to be told. In memory: a worker that lives calls again. */
export interface WorkerRecord {
  readonly workerId: string;
  readonly endpoint: string;
  readonly lastCallMs: number;
  /** What it gave as its version in pings. */
  readonly version?: string;
  /** Its report that it cannot work. */
  readonly unhealthy?: { readonly check: string; readonly reason: string };
  /** It asked to be replaced with its last answer. */
  readonly refresh?: boolean;
}

export interface WorkerBook {
  readonly workers: readonly WorkerRecord[];
  called(workerId: string, endpoint: string, facts?: Partial<WorkerRecord>): void;
  /** Puts a job on a worker's stop list. */
  stop(workerId: string, jobId: string): void;
  /** Takes a job off a worker's stop list again. */
  unstop(workerId: string, jobId: string): void;
  /** Empties a worker's stop list. What gets lost on the way is put there again by its next ping. */
  takeStops(workerId: string): string[];
}

/** The workers that called last are remembered. */
const MAX_WORKERS = 1_000;
const MAX_STOPS = 1_000;

export function createWorkerBook(now: () => number, onStop: (workerId: string) => void): WorkerBook {
  const records = new Map<string, WorkerRecord>();
  const stops = new Map<string, Set<string>>();

  function forgetOldest(): void {
    for (const workerId of records.keys()) {
      if (records.size <= MAX_WORKERS) return;
      records.delete(workerId);
      stops.delete(workerId);
    }
  }

  return {
    get workers() {
      return [...records.values()];
    },
    called(workerId, endpoint, facts = {}) {
      const known = records.get(workerId);
      records.delete(workerId);
      records.set(workerId, { ...known, ...facts, workerId, endpoint, lastCallMs: now() });
      forgetOldest();
    },
    stop(workerId, jobId) {
      const list = stops.get(workerId) ?? new Set();
      if (list.size >= MAX_STOPS || !records.has(workerId)) return;
      stops.set(workerId, list.add(jobId));
      onStop(workerId);
    },
    unstop(workerId, jobId) {
      stops.get(workerId)?.delete(jobId);
    },
    takeStops(workerId) {
      const list = [...(stops.get(workerId) ?? [])];
      stops.delete(workerId);
      return list;
    },
  };
}
