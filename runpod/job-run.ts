/** One job, from the moment it was taken until its answer is known. */
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Progress, RunTask, TaskAnswer } from '../handlers/task.ts';
import type { Logger } from '../log.ts';
import type { Pause } from './pause.ts';
import type { TakenJob } from './take.ts';

/** How long a task may take to end once it was told to. Killing ffmpeg takes seconds. */
export const ABORT_PATIENCE_MS = 20_000;

/** Why a running job was told to end: RunPod asked for it (nothing is posted), or the worker itself must go. */
export type StopReason = 'stopped' | 'shutdown';

export interface JobEnd {
  /** `undefined` where RunPod stopped the job: it wants no answer. */
  readonly answer: TaskAnswer | undefined;
  /** The task did not end when it was told to: it still holds this process's GPU and disk. */
  readonly stuck: boolean;
}

export interface JobRun {
  stop(reason: StopReason): void;
  readonly end: Promise<JobEnd>;
}

export interface JobRunOptions {
  readonly run: RunTask;
  readonly workerId: string;
  readonly progress: (progress: Progress) => void;
  readonly log: Logger;
  readonly pause: Pause;
}

export function startJobRun(job: TakenJob, options: JobRunOptions): JobRun {
  const { run, workerId, progress, log, pause } = options;
  const controller = new AbortController();
  let reason: StopReason | undefined;

  async function work(): Promise<TaskAnswer> {
    if (job.input === undefined) {
      return { kind: 'failed', error: new MillraceError('PARAMETERS_INVALID', 'The job came without an input.') };
    }
    try {
      return await run(job.input, { requestId: job.id, workerId, signal: controller.signal, progress, log });
    } catch (thrown) {
      const error = asMillraceError(thrown);
      log.error({ error }, 'A task threw, which tasks must not do.');
      return { kind: 'failed', error };
    }
  }

  async function finish(): Promise<JobEnd> {
    const ended = new AbortController();
    const answer = await Promise.race([work(), overdue(ended.signal)]);
    ended.abort();
    const stuck = answer === undefined;
    if (stuck) log.error('A task did not end when it was told to.');
    return { answer: reason === 'stopped' ? undefined : (answer ?? { kind: 'cancelled' }), stuck };
  }

  /** Resolves when the task was told to end and did not. */
  async function overdue(ended: AbortSignal): Promise<undefined> {
    await new Promise((resolve) => controller.signal.addEventListener('abort', resolve, { once: true }));
    await pause(ABORT_PATIENCE_MS, ended);
    return undefined;
  }

  return {
    stop(why) {
      // RunPod's word outlasts a shutdown: whoever cancelled the job wants no answer of it.
      if (reason !== 'stopped') reason = why;
      controller.abort(new MillraceError('CANCELLED', 'The work was stopped before its end.'));
    },
    end: finish(),
  };
}
