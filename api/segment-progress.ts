/** Which segments of a job are there: by the store, or without keys through the public address. */
import { fieldError } from '../manifests/field-errors.ts';
import { inParallel } from '../pipeline/parallel.ts';
import { parseObjectUri } from '../storage/uri.ts';
import { PROBED_SEGMENTS, type SegmentStatus, type SegmentStatusQuery } from './documents/segment-status.ts';
import { jobUri, SEGMENT_FOLDER, segmentKey } from './job-places.ts';
import type { ApiParts } from './parts.ts';
import { RequestError } from './problem.ts';
import { isPublic, publicUrl } from './public-object.ts';
import { requireCredentials } from './require-credentials.ts';

const PROBES_AT_ONCE = 16;
/** Each is a request; a listing of the store has a thousand in one. */
const MAX_PROBES = 10_000;

export async function segmentStatus(parts: ApiParts, query: SegmentStatusQuery, signal: AbortSignal): Promise<SegmentStatus> {
  const { job_id: job, expected } = query;
  const count = expected ?? PROBED_SEGMENTS;
  const ready = parts.hasCredentials ? await listed(parts, job, signal) : await probed(parts, job, count, signal);
  const segments = Array.from({ length: count }, (_, index) => {
    return { index, ready: ready.has(index), uri: jobUri(parts.planner, job, segmentKey(index)) };
  });
  return { job_id: job, expected: expected ?? null, ready: segments.filter((segment) => segment.ready).length, segments };
}

async function listed({ planner: { store, layout } }: ApiParts, job: string, signal: AbortSignal): Promise<Set<number>> {
  const folder = layout.jobKey(job, SEGMENT_FOLDER);
  const found = new Set<number>();
  for await (const page of store.list(`${folder}segment_`, { signal })) {
    for (const { key } of page) {
      const index = /^segment_(\d{1,9})\.wav$/.exec(key.slice(folder.length))?.[1];
      if (index !== undefined) found.add(Number(index));
    }
  }
  return found;
}

async function probed(parts: ApiParts, job: string, count: number, signal: AbortSignal): Promise<Set<number>> {
  const { publicAddress } = parts;
  if (count > MAX_PROBES) {
    const error = fieldError(
      'expected',
      `a whole number of at most ${MAX_PROBES}, because this server has no keys`,
      String(count),
    );
    throw new RequestError('REQUEST_INVALID', error.text, { errors: [error] });
  }
  const found = new Set<number>();
  await inParallel(PROBES_AT_ONCE, Array.from({ length: count }), async (_, index) => {
    const label = jobUri(parts.planner, job, segmentKey(index));
    const url = publicUrl(publicAddress, parseObjectUri(label));
    if (publicAddress === undefined || url === undefined) return requireCredentials(parts);
    if (await isPublic(publicAddress, url, label, signal)) found.add(index);
  });
  return found;
}
