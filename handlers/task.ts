/** What a task gets and what it answers. Handlers know no pipeline, no queue and no RunPod. */
import type { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';

export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  /** Media seconds made per second of wall time, where known. */
  readonly speed?: number;
}

export interface TaskScope {
  /** Names the work in logs: RunPod's job id, say. */
  readonly requestId: string;
  readonly workerId?: string;
  /** Aborted when RunPod stops the job or the worker must go: processes are killed and nothing is written after that. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Says already which work it is: see log-fields.ts. */
  readonly log: Logger;
}

/**
 * `{statusCode: 200, body, output_uri, …measurements}`; `output_uri` never carries a query string. With `split: true` there is no
 * output yet: the chunks that it will be made of were written instead.
 */
export type TaskOutput = Readonly<Record<string, unknown>> & { readonly statusCode: 200; readonly body: string };

export type TaskAnswer =
  | { readonly kind: 'succeeded'; readonly output: TaskOutput }
  | { readonly kind: 'failed'; readonly error: MillraceError }
  | { readonly kind: 'cancelled' };

/** Runs one RunPod `input` (`{task, parameters}`, not yet parsed), result objects included. Never throws. */
export type RunTask = (input: unknown, scope: TaskScope) => Promise<TaskAnswer>;
