/** Where the API writes into a job, and where its segments come to lie. */
import { extname } from 'node:path/posix';
import type { JobPlanner } from '../pipeline/job-plan.ts';
import type { ObjectUri } from '../storage/uri.ts';

export const SOURCES_KEY = 'inputs/sources.json';
export const SEGMENTS_KEY = 'stage/segmentation/segments.json';
/** Where a stage reads segments.json from, the usual place first. */
export const SEGMENTS_KEYS = [SEGMENTS_KEY, 'segments.json'] as const;
export const SEGMENT_FOLDER = 'stage/segmentation/audio_segments/';

export const MASTER = 'inputs/audio/master';
export const PRESENTER = 'inputs/image/presenter';

export const segmentKey = (index: number): string => `${SEGMENT_FOLDER}segment_${index}.wav`;

type Place = Pick<JobPlanner, 'store' | 'layout'>;

export const jobUri = ({ store, layout }: Place, job: string, key: string): string =>
  `${store.scheme}://${store.bucket}/${layout.jobKey(job, key)}`;

/** The key inside the job's folder that a URI names; `null` for one of another place. */
export function keyInJob({ store, layout }: Place, job: string, { scheme, bucket, key }: ObjectUri): string | null {
  const folder = layout.jobFolder(job);
  return scheme === store.scheme && bucket === store.bucket && key.startsWith(folder) ? key.slice(folder.length) : null;
}

/** `.m4a` of a path or an address; the media decide themselves what they are, so any will do where there is none. */
export function extensionOf(path: string): string {
  const extension = extname(path.replace(/[?#].*$/s, '')).toLowerCase();
  return /^\.[a-z0-9]{1,8}$/.test(extension) ? extension : '.bin';
}
