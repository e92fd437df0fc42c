/**
 * What RunPod does with jobs: the rules of queueing, handing out, losing, timing out and forgetting. All time comes
 * in through `now`; nothing here waits.
 */
import { randomUUID } from 'node:crypto';
import { hasEnded, type Job } from './job.ts';
import type { JobTable } from './job-table.ts';
import type { WorkerBook } from './worker-book.ts';

export interface JobBookOptions {
  readonly table: JobTable;
  readonly workers: WorkerBook;
  readonly now: () => number;
  readonly pingIntervalMs: number;
  /** How often a job whose workers are lost is handed out before it fails. */
  readonly maxHandOuts: number;
  readonly onQueued: (endpoint: string) => void;
  readonly onEnded: (jobId: string) => void;
}

export interface Submission {
  readonly input: unknown;
  readonly executionTimeoutMs: number;
  readonly ttlMs: number;
  /** A `/runsync` job: it is forgotten sooner. */
  readonly sync: boolean;
}

export interface HandedOut {
  readonly id: string;
  readonly input: unknown;
}

/** A job whose worker has not named it for so many ping intervals is taken for lost. */
export const MISSED_PINGS = 3;
/** How long a result can be asked for: RunPod's documented times. */
export const RETENTION_MS = 1_800_000;
export const SYNC_RETENTION_MS = 60_000;

export type JobBook = ReturnType<typeof createJobBook>;

export function createJobBook({ table, workers, now, pingIntervalMs, maxHandOuts, onQueued, onEnded }: JobBookOptions) {
  function end(job: Job, change: Pick<Job, 'status'> & Partial<Pick<Job, 'output' | 'error'>>): void {
    table.update({ ...job, output: null, error: null, ...change, ended_ms: now() });
    onEnded(job.id);
  }

  /** Whoever runs it is told to stop. */
  function stopWorker(job: Job): void {
    if (job.status === 'IN_PROGRESS' && job.worker_id !== null) workers.stop(job.worker_id, job.id);
  }

  function queue(job: Job, change: Partial<Job>): void {
    table.update({ ...job, status: 'IN_QUEUE', worker_id: null, started_ms: null, seen_ms: null, output: null, ...change });
    onQueued(job.endpoint);
  }

  function find(endpoint: string, id: string): Job | undefined {
    const job = table.find(id);
    return job?.endpoint === endpoint ? job : undefined;
  }

  function lose(job: Job): void {
    stopWorker(job);
    if (job.hand_outs < maxHandOuts) queue(job, { put_backs: job.put_backs + 1 });
    else
      end(job, { status: 'FAILED', error: `The job was handed out ${job.hand_outs} times, and each time its worker was lost.` });
  }

  /** Everything that is due by now. Called before every request and by a timer. */
  function sweep(): void {
    const nowMs = now();
    for (const job of table.expired(nowMs)) {
      stopWorker(job);
      table.remove(job.id);
      onEnded(job.id);
    }
    for (const job of table.withStatus('IN_PROGRESS')) {
      if (nowMs - (job.started_ms ?? nowMs) >= job.execution_timeout_ms) {
        stopWorker(job);
        end(job, { status: 'TIMED_OUT', error: `The job ran longer than its ${job.execution_timeout_ms} ms.` });
      } else if (nowMs - (job.seen_ms ?? nowMs) >= pingIntervalMs * MISSED_PINGS) lose(job);
    }
  }

  // A restart is no worker's fault: whoever still runs a job has the usual time to name it.
  for (const job of table.withStatus('IN_PROGRESS')) table.update({ ...job, seen_ms: now() });

  return {
    sweep,
    find,

    submit(endpoint: string, { input, executionTimeoutMs, ttlMs, sync }: Submission): Job {
      const job: Job = {
        id: `${sync ? 'sync-' : ''}${randomUUID()}-u1`,
        endpoint,
        status: 'IN_QUEUE',
        created_ms: now(),
        execution_timeout_ms: executionTimeoutMs,
        ttl_ms: ttlMs,
        retention_ms: sync ? SYNC_RETENTION_MS : RETENTION_MS,
        worker_id: null,
        hand_outs: 0,
        put_backs: 0,
        started_ms: null,
        seen_ms: null,
        ended_ms: null,
        output: null,
        error: null,
      };
      table.insert(job, JSON.stringify(input));
      onQueued(endpoint);
      return job;
    },

    cancel(job: Job): void {
      if (hasEnded(job)) return;
      stopWorker(job);
      end(job, { status: 'CANCELLED' });
    },

    /** False for a job that neither failed nor timed out. */
    retry(job: Job): boolean {
      if (job.status !== 'FAILED' && job.status !== 'TIMED_OUT') return false;
      queue(job, { error: null, ended_ms: null, hand_outs: 0, created_ms: now() });
      return true;
    },

    /** Forgets what is queued and answers how many jobs that were. */
    purge(endpoint: string): number {
      const queued = table.withStatus('IN_QUEUE', { endpoint });
      for (const { id } of queued) {
        table.remove(id);
        onEnded(id);
      }
      return queued.length;
    },

    take(endpoint: string, workerId: string, limit: number): HandedOut[] {
      return table.withStatus('IN_QUEUE', { endpoint, limit }).map((job) => {
        const nowMs = now();
        const change = { hand_outs: job.hand_outs + 1, started_ms: nowMs, seen_ms: nowMs };
        table.update({ ...job, status: 'IN_PROGRESS', worker_id: workerId, ...change });
        // Of a time when it was taken for lost with this job: now it is to run it.
        workers.unstop(workerId, job.id);
        return { id: job.id, input: JSON.parse(table.inputJson(job.id)) };
      });
    },

    /** The worker hung up before it had the job: nobody was given it. */
    undeliver(id: string, workerId: string): void {
      const job = table.find(id);
      if (job?.status !== 'IN_PROGRESS' || job.worker_id !== workerId) return;
      queue(job, { hand_outs: job.hand_outs - 1 });
    },

    /** False where the job is not this worker's to report on. */
    progress(endpoint: string, id: string, workerId: string, output: unknown): boolean {
      const job = find(endpoint, id);
      if (job?.status !== 'IN_PROGRESS' || job.worker_id !== workerId) return false;
      table.update({ ...job, output: JSON.stringify(output ?? null), seen_ms: now() });
      return true;
    },

    /**
     * Takes a result. The first one counts, even of a worker that was taken for lost: its work is done. False where
     * the job is unknown or has ended.
     */
    finish(endpoint: string, id: string, workerId: string, result: { output?: unknown; error?: string }): boolean {
      const job = find(endpoint, id);
      if (job === undefined || hasEnded(job)) return false;
      if (job.worker_id !== workerId) stopWorker(job);
      const given = { ...job, worker_id: workerId, started_ms: job.started_ms ?? now() };
      if (result.error !== undefined) end(given, { status: 'FAILED', error: result.error });
      else end(given, { status: 'COMPLETED', ...(result.output === undefined ? {} : { output: JSON.stringify(result.output) }) });
      return true;
    },

    /** A worker names what it runs; what it should not run, it is told to stop. */
    named(endpoint: string, workerId: string, jobIds: readonly string[]): void {
      for (const id of jobIds) {
        const job = find(endpoint, id);
        if (job?.status === 'IN_PROGRESS' && job.worker_id === workerId) table.update({ ...job, seen_ms: now() });
        else workers.stop(workerId, id);
      }
    },

    jobCounts(endpoint: string) {
      const { byStatus, putBacks } = table.counts(endpoint);
      const count = (status: Job['status']) => byStatus.get(status) ?? 0;
      return {
        completed: count('COMPLETED'),
        failed: count('FAILED') + count('TIMED_OUT'),
        inProgress: count('IN_PROGRESS'),
        inQueue: count('IN_QUEUE'),
        retried: putBacks,
      };
    },

    /** The workers that have a job. */
    busyWorkers(endpoint: string): ReadonlySet<string> {
      return new Set(table.withStatus('IN_PROGRESS', { endpoint }).flatMap((job) => job.worker_id ?? []));
    },
  };
}
