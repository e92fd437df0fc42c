/** The jobs that this worker has on its hands: each is run, reported on and answered. */
import type { ErrorCode, MillraceError } from '../errors.ts';
import { logFieldsOf } from '../handlers/log-fields.ts';
import type { RunTask, TaskAnswer, TaskOutput } from '../handlers/task.ts';
import type { Logger } from '../log.ts';
import { type PostedAnswer, postAnswer } from './answer.ts';
import { type JobRun, type StopReason, startJobRun } from './job-run.ts';
import { startProgressPosts } from './progress-posts.ts';
import type { TakenJob } from './take.ts';
import type { WorkerLine } from './worker-line.ts';

export interface CarriedJobsOptions {
  readonly line: WorkerLine;
  readonly run: RunTask;
  readonly progressIntervalMs: number;
  /** So many machine failures in a row, or videos that the GPU failed, call `onRefresh`; 0 turns it off. */
  readonly refreshAfterFailures: number;
  /** Aborted when nothing may be posted any more. */
  readonly silenced: AbortSignal;
  /** Called with the ids of all jobs not yet answered, whenever they change. */
  readonly onChange: (jobIds: readonly string[]) => void;
  /** This machine seems broken. The promise resolves when no more jobs will be started. */
  readonly onRefresh: () => Promise<void>;
  /** A task did not end when it was told to. */
  readonly onStuck: () => void;
}

export interface CarriedJobs {
  readonly size: number;
  readonly answered: number;
  start(job: TakenJob): void;
  /** Ids of jobs that are not running here are ignored. */
  stop(jobIds: readonly string[]): void;
  /** Cuts all running jobs short; they are answered with CANCELLED. */
  cutShort(): void;
  /** Resolves when no job is left. Never rejects. */
  settled(): Promise<void>;
}

/** Failures that say something about this machine; the next worker may have none of them. */
const MACHINE_FAILURES: ReadonlySet<ErrorCode> = new Set(['GPU_FAILED', 'DISK_FULL']);

/** A task that outgrows its quota of the disk would outgrow it anywhere: that is not retryable. */
function isMachineFailure({ code, retryable }: MillraceError): boolean {
  return retryable && MACHINE_FAILURES.has(code);
}

/** A GPU that breaks fails no video, because the CPU makes it, slowly, at the price of a GPU. What needs none says nothing of it. */
function gpuFallsAfter({ gpu_error, encoder, decoder }: TaskOutput, before: number): number {
  if (gpu_error === 'GPU_FAILED') return before + 1;
  return encoder === 'h264_nvenc' || decoder === 'nvdec' ? 0 : before;
}

export function createCarriedJobs(options: CarriedJobsOptions): CarriedJobs {
  const { line, onChange } = options;
  /** Tasks at work, and all jobs not yet answered. */
  const runs = new Map<string, JobRun>();
  const jobs = new Map<string, Promise<void>>();
  let answered = 0;
  let machineFailures = 0;
  let gpuFalls = 0;
  let refreshing: Promise<void> | undefined;
  let refreshAsked = false;

  async function carry(job: TakenJob): Promise<void> {
    const log = line.log.child({ requestId: job.id, ...logFieldsOf(job.input) });
    const startedMs = line.now();
    log.info('A job was taken.');
    const progress = startProgressPosts(line, job.id, options.progressIntervalMs);
    const run = startJobRun(job, {
      run: options.run,
      workerId: line.environment.workerId,
      progress: progress.report,
      log,
      pause: line.pause,
    });
    runs.set(job.id, run);
    const { answer, stuck } = await run.end;
    runs.delete(job.id);
    if (stuck) options.onStuck();
    if (answer !== undefined && isMachineFailing(answer)) refreshing ??= options.onRefresh();
    await progress.close();
    const workerMs = line.now() - startedMs;
    if (answer === undefined) {
      log.info({ workerMs }, 'A job was stopped by RunPod; nothing is posted.');
      return;
    }
    const posted = await post(job, answer, log);
    if (posted === 'posted') answered += 1;
    const code = answer.kind === 'failed' ? { code: answer.error.code } : {};
    log.info({ workerMs, answer: answer.kind, ...code, posted }, 'A job was answered.');
  }

  /** A fresh worker is asked for with the very last answer: RunPod may end this one the moment it reads it. */
  async function post(job: TakenJob, answer: TaskAnswer, log: Logger): Promise<PostedAnswer> {
    await refreshing;
    const stopPod = refreshing !== undefined && runs.size === 0 && !refreshAsked;
    if (stopPod) {
      refreshAsked = true;
      await Promise.all([...jobs].filter(([id]) => id !== job.id).map(([, promise]) => promise));
    }
    return postAnswer(line, job.id, answer, { log, signal: options.silenced, stopPod });
  }

  function isMachineFailing(answer: TaskAnswer): boolean {
    if (answer.kind === 'cancelled') return false;
    const isFailure = answer.kind === 'failed' && isMachineFailure(answer.error);
    machineFailures = isFailure ? machineFailures + 1 : 0;
    if (answer.kind === 'succeeded') gpuFalls = gpuFallsAfter(answer.output, gpuFalls);
    return options.refreshAfterFailures > 0 && Math.max(machineFailures, gpuFalls) >= options.refreshAfterFailures;
  }

  function stop(jobIds: Iterable<string>, reason: StopReason): void {
    for (const id of jobIds) runs.get(id)?.stop(reason);
  }

  return {
    get size() {
      return jobs.size;
    },
    get answered() {
      return answered;
    },
    start(job) {
      if (jobs.has(job.id)) {
        line.log.warn({ requestId: job.id }, 'RunPod handed over a job that this worker has already; it runs once.');
        return;
      }
      // The pings name the job before its work begins: work may block this thread from its first step on.
      const carried = Promise.resolve()
        .then(() => carry(job))
        .catch((error: unknown) => line.log.error({ error, requestId: job.id }, 'A job ended in a way that it must not.'))
        .finally(() => {
          runs.delete(job.id);
          jobs.delete(job.id);
          onChange([...jobs.keys()]);
        });
      jobs.set(job.id, carried);
      onChange([...jobs.keys()]);
    },
    stop: (jobIds) => stop(jobIds, 'stopped'),
    cutShort: () => stop(runs.keys(), 'shutdown'),
    async settled() {
      while (jobs.size > 0) await Promise.all(jobs.values());
    },
  };
}
