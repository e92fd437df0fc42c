/** One item of a job as the API shows it. Pure. */

import type { z } from 'zod';
import { adviceFor } from '../pipeline/advice.ts';
import { historyOf } from '../pipeline/history.ts';
import type { PlannedJob } from '../pipeline/job-plan.ts';
import type { PlannedItem } from '../pipeline/plan-types.ts';
import { failureOf, type Snapshot } from '../pipeline/snapshot.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { type Item, type ItemAttempt, type JobFile, MAX_ATTEMPTS } from './documents/job.ts';
import { fileHref, itemHref } from './links.ts';
import { mediaTypeOf } from './media-types.ts';

export function itemView({ snapshot }: Pick<PlannedJob, 'snapshot'>, planned: PlannedItem): Item {
  const { stage, item, phase, why, attempt, outputKey, fingerprint } = planned;
  const output = snapshot.objects.get(outputKey);
  return {
    stage,
    item,
    phase,
    why,
    attempt,
    attempts: attemptsOf(snapshot, planned),
    error: errorOf(snapshot, stage, item, fingerprint),
    advice: adviceFor(planned, snapshot.job),
    output_key: outputKey,
    output: output === undefined ? null : fileView(snapshot, output),
    links: { self: itemHref(snapshot.job, stage, item) },
  };
}

export function fileView(snapshot: Snapshot, { key, sizeBytes, lastModifiedMs }: ObjectInfo): z.infer<typeof JobFile> {
  return {
    key,
    uri: snapshot.folderUri + key,
    href: fileHref(snapshot.job, key),
    size_bytes: sizeBytes,
    media_type: mediaTypeOf(key).mediaType,
    updated_at: isoTime(lastModifiedMs),
  };
}

type Attempt = z.infer<typeof ItemAttempt>;

/** Of every fingerprint, by the time when they were last heard of. */
function attemptsOf(snapshot: Snapshot, { stage, item, fingerprint }: PlannedItem): Attempt[] {
  const { claims, runs, results } = historyOf(snapshot, stage, item);
  const known = new Map<string, Attempt & { readonly atMs: number }>();
  const note = (seen: { fingerprint: string; attempt: number; lastModifiedMs?: number }, status: Attempt['status']) => {
    const id = `${seen.fingerprint}.${seen.attempt}`;
    const atMs = seen.lastModifiedMs ?? known.get(id)?.atMs ?? 0;
    const at = atMs === 0 ? null : isoTime(atMs);
    known.set(id, { attempt: seen.attempt, status, at, outdated: seen.fingerprint !== fingerprint, atMs });
  };
  for (const claim of claims) note(claim, 'claimed');
  for (const run of runs) note(run, 'running');
  for (const result of results) note(result, result.status);
  return [...known.values()]
    .sort((a, b) => a.atMs - b.atMs || a.attempt - b.attempt)
    .slice(-MAX_ATTEMPTS)
    .map(({ atMs: _, ...attempt }) => attempt);
}

/** Of the last attempt that failed, as far as the plan had to read why. */
function errorOf(snapshot: Snapshot, stage: string, item: string, fingerprint: string): Item['error'] {
  const failed = historyOf(snapshot, stage, item)
    .results.filter((result) => result.fingerprint === fingerprint && result.status === 'failed')
    .sort((a, b) => b.attempt - a.attempt);
  for (const { attempt } of failed) {
    const error = failureOf(snapshot, { stage, item, fingerprint, attempt });
    if (error === undefined) continue;
    const { code, message, retryable, fix = null } = error;
    return { code, message, retryable, fix };
  }
  return null;
}

export const isoTime = (ms: number): string => new Date(ms).toISOString();
