/** Result objects that a consumer writes itself: for attempts whose worker never could, or never will. */
import type { MillraceError } from '../errors.ts';
import { withoutSecrets } from '../errors.ts';
import { Result, type ResultError, type ResultStatus } from '../manifests/result.ts';
import type { AttemptName } from './layout.ts';
import { readDocument } from './read-document.ts';
import type { ListingSource } from './take-listing.ts';

export interface ResultDetails {
  readonly error?: ResultError;
  readonly output?: Record<string, unknown>;
  readonly runId?: string;
  readonly endpoint?: string;
  /** How long RunPod says that the run took; and how many items it carried. */
  readonly execution?: { readonly seconds: number; readonly items: number };
}

/** Created once: where the worker's own result of that status is there already, it stays. */
export async function writeResult(
  { store, layout }: ListingSource,
  job: string,
  { stage, item, fingerprint, attempt }: AttemptName,
  status: ResultStatus,
  nowMs: number,
  details: ResultDetails = {},
): Promise<void> {
  const result: Result = {
    version: 1,
    status,
    job,
    stage,
    item,
    fingerprint,
    attempt,
    written_by: 'consumer',
    ...(details.runId === undefined ? {} : { run_id: details.runId }),
    ...(details.endpoint === undefined ? {} : { endpoint: details.endpoint }),
    finished_at: new Date(nowMs).toISOString(),
    ...(details.execution === undefined ? {} : executionOf(details.execution)),
    ...(details.output === undefined ? {} : { output: details.output }),
    ...(details.error === undefined ? {} : { error: details.error }),
  };
  const key = layout.resultKey(job, { stage, item, fingerprint, attempt }, status);
  await store.createIfAbsent(key, `${JSON.stringify(result, null, 2)}\n`, { contentType: 'application/json' });
}

/** A run that carried one item was at that item all the time. What other items of a batch took, only their own results tell. */
function executionOf({ seconds, items }: NonNullable<ResultDetails['execution']>): Pick<Result, 'execution_sec' | 'run_sec'> {
  return { execution_sec: seconds, ...(items === 1 ? { run_sec: seconds } : {}) };
}

export function resultError({ code, message, retryable, fix }: MillraceError): ResultError {
  return { code, message: withoutSecrets(message), retryable, ...(fix === undefined ? {} : { fix }) };
}

/** `null` where there is none, or none that can be read. */
export async function readResult(
  source: ListingSource,
  job: string,
  name: AttemptName,
  status: ResultStatus,
  signal?: AbortSignal,
): Promise<Result | null> {
  return readDocument(source, source.layout.resultKey(job, name, status), Result, signal);
}

/** True where any result of the attempt is there: what the winner of a claim, or a sweep, must look at once more. */
export async function hasResult(
  { store, layout }: ListingSource,
  job: string,
  name: AttemptName,
  signal?: AbortSignal,
): Promise<boolean> {
  for await (const page of store.list(layout.resultPrefix(job, name), signal === undefined ? {} : { signal })) {
    if (page.length > 0) return true;
  }
  return false;
}
