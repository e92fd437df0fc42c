import { MillraceError } from '../errors.ts';
import { hasJob } from '../pipeline/cancel-job.ts';
import type { ListingSource } from '../pipeline/take-listing.ts';

/** Throws USAGE where the job has no folder: whoever mistypes an id must not be told that all is well. */
export async function requireJob(source: ListingSource, job: string): Promise<void> {
  if (await hasJob(source, job)) return;
  const folder = source.layout.jobFolder(job);
  throw new MillraceError('USAGE', `there is no job ${JSON.stringify(job)}: nothing lies under ${folder}`);
}
