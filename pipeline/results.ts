/** Result objects that a consumer writes itself: for attempts whose worker never could, or never will. */
import { text } from 'node:stream/consumers';
import type { MillraceError } from '../errors.ts';
import { withoutSecrets } from '../errors.ts';
import { parseDocument } from '../manifests/parse.ts';
import { Result, type ResultError, type ResultStatus } from '../manifests/result.ts';
import type { AttemptName } from './layout.ts';
import type { ListingSource } from './take-listing.ts';

export interface ResultDetails {
  readonly error?: ResultError;
  readonly output?: Record<string, unknown>;
  readonly runId?: string;
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
    finished_at: new Date(nowMs).toISOString(),
    ...(details.output === undefined ? {} : { output: details.output }),
    ...(details.error === undefined ? {} : { error: details.error }),
  };
  const key = layout.resultKey(job, { stage, item, fingerprint, attempt }, status);
  await store.createIfAbsent(key, `${JSON.stringify(result, null, 2)}\n`, { contentType: 'application/json' });
}

export function resultError({ code, message, retryable, fix }: MillraceError): ResultError {
  return { code, message: withoutSecrets(message), retryable, ...(fix === undefined ? {} : { fix }) };
}

/** `null` where there is none, or none that can be read. */
export async function readResult(
  { store, layout }: ListingSource,
  job: string,
  name: AttemptName,
  status: ResultStatus,
  signal?: AbortSignal,
): Promise<Result | null> {
  const found = await store.get(layout.resultKey(job, name, status), signal === undefined ? {} : { signal });
  const parsed = found === null ? null : parseDocument(Result, await text(found.body));
  return parsed?.ok === true ? parsed.value : null;
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
