/** Writes the result object of an item, after its output: its arrival is what tells the pipeline that the item ended. */
import { Readable } from 'node:stream';
import { type MillraceError, withoutSecrets } from '../errors.ts';
import type { Result } from '../manifests/result.ts';
import type { RunContext } from '../manifests/run-context.ts';
import { type PresignedPutOptions, putPresigned } from './outputs/presigned-put.ts';

export type ItemOutcome =
  | { readonly kind: 'succeeded' | 'split'; readonly output: Readonly<Record<string, unknown>> }
  | { readonly kind: 'failed'; readonly error: MillraceError };

export interface ResultFacts {
  readonly task: string;
  readonly runId: string;
  readonly workerId: string | undefined;
  readonly finishedAtMs: number;
  readonly workerSeconds: number;
  /** Of its run, since the item before it ended. */
  readonly runSeconds: number;
}

export function resultOf(context: RunContext, outcome: ItemOutcome, facts: ResultFacts): Result {
  const { job, stage, item, fingerprint, attempt } = context;
  return {
    version: 1,
    status: outcome.kind,
    ...{ job, stage, item, fingerprint, attempt },
    task: facts.task,
    written_by: 'worker',
    run_id: facts.runId,
    ...(facts.workerId === undefined ? {} : { worker_id: facts.workerId }),
    finished_at: new Date(facts.finishedAtMs).toISOString(),
    worker_sec: facts.workerSeconds,
    run_sec: facts.runSeconds,
    ...(outcome.kind === 'failed' ? { error: errorOf(outcome.error) } : { output: { ...outcome.output } }),
  };
}

/** An error as results and answers show it. `stderr_tail`: what ffmpeg said last, where it was ffmpeg that failed. */
export function errorOf(error: MillraceError) {
  const { code, retryable, fix, context } = error;
  const { stderr_tail } = context;
  return {
    ...{ code, message: withoutSecrets(error.message), retryable },
    ...(fix === undefined ? {} : { fix }),
    ...(typeof stderr_tail === 'string' && stderr_tail !== '' ? { stderr_tail } : {}),
  };
}

/**
 * Does nothing where the payload gives no URL for this outcome. Throws what the PUT throws: the caller decides what a missing
 * result means.
 */
export async function writeResult(context: RunContext, result: Result, options: PresignedPutOptions): Promise<void> {
  const url = resultUrl(context, result.status);
  if (url === undefined) return;
  const bytes = Buffer.from(`${JSON.stringify(result)}\n`);
  const body = {
    sizeBytes: bytes.length,
    contentType: 'application/json',
    open: () => Readable.from([bytes], { objectMode: false }),
  };
  await putPresigned(url, {}, body, options);
}

function resultUrl(context: RunContext, status: Result['status']): string | undefined {
  if (status === 'split') return context.split?.split_put_url;
  return status === 'succeeded' ? context.succeeded_put_url : context.failed_put_url;
}
