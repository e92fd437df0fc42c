/**
 * The container's loop: take, run, answer, until told to stop. It is written for what RunPod does not promise: every
 * wait has an end, no exception ends the loop, and a job that was taken is answered.
 */
import type { RunTask } from '../handlers/task.ts';
import type { Logger } from '../log.ts';
import { createCarriedJobs } from './carried-jobs.ts';
import { ABORT_PATIENCE_MS } from './job-run.ts';
import { backOffMs, type Pause, pause } from './pause.ts';
import { startPinger } from './pinger.ts';
import { PROGRESS_INTERVAL_MS } from './progress-posts.ts';
import { watchStopList } from './stop-list.ts';
import { type Take, takeJobs } from './take.ts';
import type { WorkerEnvironment } from './worker-environment.ts';
import type { WorkerLine } from './worker-line.ts';

export { reportUnhealthy } from './unhealthy.ts';
export { isRunpodWorker, parseWorkerEnvironment, type WorkerEnvironment } from './worker-environment.ts';

export interface WorkerOptions {
  readonly environment: WorkerEnvironment;
  readonly run: RunTask;
  /** How many jobs run at once; more than one takes in batches. */
  readonly concurrency: number;
  readonly log: Logger;
  /** Abort it on SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
  /** How long running jobs may go on after that; GRACE_PERIOD_MS unless told. */
  readonly gracePeriodMs?: number;
  /** So many failures of the machine's own kind in a row, and RunPod is asked for a fresh worker; 0 turns it off. */
  readonly refreshAfterFailures?: number;
  readonly progressIntervalMs?: number;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly pause?: Pause;
  readonly fetch?: typeof fetch;
}

export interface WorkerExit {
  /** `stopped`: by the signal. `refresh`: for a fresh worker. `stuck`: a task would not end. */
  readonly reason: 'stopped' | 'refresh' | 'stuck';
  /** For the process: 0, or 1 where something is wrong with this machine. */
  readonly exitCode: 0 | 1;
  readonly answeredJobs: number;
}

/** RunPod's own default for a job's execution timeout: no job in it is cut short. */
const GRACE_PERIOD_MS = 600_000;
const REFRESH_AFTER_FAILURES = 3;
/** For the answers of jobs that were cut short, on top of the grace period. */
const LAST_ANSWERS_MS = 10_000;
/** A floor under empty answers that come at once, and the bounds of the wait after errors. */
const MIN_TAKE_INTERVAL_MS = 1_000;
const TAKE_BACK_OFF = { firstMs: 1_000, mostMs: 30_000 };

/** Resolves when the worker has ended and all it ran is answered. Never rejects. */
export async function runWorker(options: WorkerOptions): Promise<WorkerExit> {
  const { environment, log, signal } = options;
  const line: WorkerLine = {
    environment,
    log,
    now: options.now ?? Date.now,
    random: options.random ?? Math.random,
    pause: options.pause ?? pause,
    fetch: options.fetch,
  };
  const concurrency = Math.max(1, Math.floor(options.concurrency));

  /** Aborted: no more jobs are taken. */
  const closing = new AbortController();
  /** Aborted: no more answers are posted. */
  const silenced = new AbortController();
  /** Aborted: no more stops are listened for. */
  const finished = new AbortController();
  const end: { reason: WorkerExit['reason']; closing: boolean } = { reason: 'stopped', closing: false };
  /** Wakes the loop that waits for a free place. */
  let wake = () => {};

  const pinger = startPinger(environment, log);
  const jobs = createCarriedJobs({
    line,
    run: options.run,
    progressIntervalMs: options.progressIntervalMs ?? PROGRESS_INTERVAL_MS,
    refreshAfterFailures: options.refreshAfterFailures ?? REFRESH_AFTER_FAILURES,
    silenced: silenced.signal,
    onChange(jobIds) {
      pinger.setJobs(jobIds);
      wake();
    },
    async onRefresh() {
      log.warn('This machine keeps failing: a fresh worker is asked for.');
      if (end.reason !== 'stuck') end.reason = 'refresh';
      await close();
      await taking;
    },
    onStuck() {
      end.reason = 'stuck';
      void close();
    },
  });

  async function close(): Promise<void> {
    if (end.closing) return;
    end.closing = true;
    // A job that has already arrived is read before the poll is given up.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    closing.abort();
    wake();
  }

  const onSignal = () => {
    log.info({ jobs: jobs.size }, 'The worker was told to stop.');
    void close();
  };
  signal.addEventListener('abort', onSignal, { once: true });
  if (signal.aborted) closing.abort();

  const stopList = watchStopList(line, jobs.stop, finished.signal);
  const taking = take();
  await taking;
  await drain();
  finished.abort();
  signal.removeEventListener('abort', onSignal);
  await Promise.all([stopList, pinger.stop()]);
  const answeredJobs = jobs.answered;
  log.info({ reason: end.reason, answeredJobs }, 'The worker has ended.');
  return { reason: end.reason, exitCode: end.reason === 'stuck' ? 1 : 0, answeredJobs };

  async function take(): Promise<void> {
    let failures = 0;
    while (!closing.signal.aborted) {
      if (jobs.size >= concurrency) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const startedMs = line.now();
      const wanted = { batchSize: concurrency - jobs.size, jobInProgress: jobs.size > 0 };
      const taken = await takeJobs(line, wanted, closing.signal);
      // A job that kept this thread busy at once would keep the pings from starting.
      await pinger.ready;
      // Started even when the worker is closing: the jobs have been handed over and nobody else will answer them.
      if (taken.kind === 'jobs') taken.jobs.forEach(jobs.start);
      failures = taken.kind === 'error' ? failures + 1 : 0;
      logTake(taken, failures, log);
      const waitMs = waitAfter(taken, { failures, tookMs: line.now() - startedMs, random: line.random });
      if (waitMs > 0) await line.pause(waitMs, closing.signal);
    }
  }

  /**
   * Waits for what runs. Jobs that outlast the grace period are cut short and answered with CANCELLED, which is
   * retryable: whether RunPod runs a job again whose worker vanished is not known, but a FAILED job can be read by
   * the consumer at once, where silence would cost it the patience of a sweep.
   */
  async function drain(): Promise<void> {
    const over = new AbortController();
    const settled = jobs.settled().then(() => over.abort());
    await line.pause(options.gracePeriodMs ?? GRACE_PERIOD_MS, over.signal);
    jobs.cutShort();
    await line.pause(ABORT_PATIENCE_MS + LAST_ANSWERS_MS, over.signal);
    silenced.abort();
    await settled;
  }
}

function waitAfter(
  taken: Take,
  { failures, tookMs, random }: { readonly failures: number; readonly tookMs: number; readonly random: () => number },
): number {
  if (taken.kind === 'slow-down') return taken.waitMs;
  if (taken.kind === 'error') return backOffMs(TAKE_BACK_OFF, failures, random);
  const empty = taken.kind === 'none' || taken.jobs.length === 0;
  return empty ? MIN_TAKE_INTERVAL_MS - tookMs : 0;
}

function logTake(taken: Take, failures: number, log: Logger): void {
  if (taken.kind === 'error') log.warn({ reason: taken.reason, failures }, 'Taking a job failed.');
  if (taken.kind === 'slow-down') log.warn({ waitMs: taken.waitMs }, 'RunPod asks to take more slowly.');
  if (taken.kind === 'jobs' && taken.nameless > 0) log.error({ jobs: taken.nameless }, 'RunPod handed over a job without an id.');
}
