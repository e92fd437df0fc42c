/** What a result object measures: seconds, bytes, and what came of it. For metrics and costs; whether an item is done is none of its concern. */
import { z } from 'zod';
import { isErrorCode } from '../errors.ts';
import { parseDocument } from '../manifests/parse.ts';
import type { ResultStatus } from '../manifests/result.ts';
import { type AttemptName, parseResultPath } from './layout.ts';
import { DEFAULT_ENDPOINT } from './slots.ts';
import type { ListingSource } from './take-listing.ts';

export interface MeasuredResult extends AttemptName {
  readonly status: ResultStatus;
  /** Why it failed: a code of errors.ts, or OTHER for another program's own. Undefined where it did not fail. */
  readonly code: string | undefined;
  readonly runId: string | undefined;
  /** `default`, or the endpoint that the stage names. */
  readonly endpoint: string;
  /** Wall time of the item in the worker; items of a batch overlap. */
  readonly workerSeconds: number | undefined;
  /** Its share of its run: these add up. */
  readonly runSeconds: number | undefined;
  /** Of the whole run, as RunPod counts it. */
  readonly executionSeconds: number | undefined;
  readonly bytesRead: number | undefined;
  readonly bytesWritten: number | undefined;
  /** How long the output plays. */
  readonly mediaSeconds: number | undefined;
}

/** A run may take seven days. Whoever may write into a job's folder could claim more. */
const MAX_SECONDS = 7 * 86_400;
const seconds = z.number().min(0).max(MAX_SECONDS).optional().catch(undefined);
const bytes = z.int().min(0).optional().catch(undefined);
const text = z.string().optional().catch(undefined);

/** Loose on purpose: an odd field costs itself, not the others. */
const Measured = z.object({
  run_id: text,
  endpoint: text,
  worker_sec: seconds,
  run_sec: seconds,
  execution_sec: seconds,
  error: z.object({ code: text }).optional().catch(undefined),
  output: z
    .object({ bytes_read: bytes, bytes_written: bytes, duration_sec: z.number().min(0).optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

/** `name` is what the key says. Undefined where the text is no JSON object. */
export function measureResult(name: AttemptName & { readonly status: ResultStatus }, json: string): MeasuredResult | undefined {
  const parsed = parseDocument(Measured, json);
  if (!parsed.ok) return undefined;
  const { run_id: runId, endpoint, worker_sec, run_sec, execution_sec, error, output } = parsed.value;
  const { stage, item, fingerprint, attempt, status } = name;
  return {
    ...{ stage, item, fingerprint, attempt, status, runId, endpoint: endpoint ?? DEFAULT_ENDPOINT },
    code: error === undefined || status === 'succeeded' ? undefined : knownCode(error.code),
    workerSeconds: worker_sec,
    // Results of workers that did not say yet, one item a run mostly.
    runSeconds: run_sec ?? worker_sec,
    executionSeconds: execution_sec,
    bytesRead: output?.bytes_read,
    bytesWritten: output?.bytes_written,
    mediaSeconds: output?.duration_sec,
  };
}

const knownCode = (code: string | undefined): string => (code !== undefined && isErrorCode(code) ? code : 'OTHER');

/** Ours have a few hundred bytes, with ffmpeg's last words a few thousand. */
const MAX_RESULT_BYTES = 262_144;

/** Undefined where there is none, or nothing of ours. Throws where the bucket cannot be read. */
export async function readMeasuredResult(
  { store, layout }: ListingSource,
  job: string,
  name: AttemptName & { readonly status: ResultStatus },
  signal?: AbortSignal,
): Promise<MeasuredResult | undefined> {
  const found = await store.get(layout.resultKey(job, name, name.status), signal === undefined ? {} : { signal });
  if (found === null) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of found.body) {
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    // Leaving the loop ends the stream.
    if (length > MAX_RESULT_BYTES) return undefined;
  }
  return measureResult(name, Buffer.concat(chunks).toString('utf8'));
}

/** The attempt whose result lies under a key of the bucket; undefined for every other key. */
export function resultNameOf(
  { layout }: Pick<ListingSource, 'layout'>,
  key: string,
): { readonly job: string; readonly name: AttemptName & { readonly status: ResultStatus } } | undefined {
  const at = layout.jobOf(key);
  if (at === null || at === 'invalid' || !at.key.startsWith('results/')) return undefined;
  const name = parseResultPath(at.key.slice('results/'.length));
  return name === null ? undefined : { job: at.job, name };
}
