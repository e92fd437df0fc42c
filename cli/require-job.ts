import { MillraceError } from '../errors.ts';
import type { ListingSource } from '../pipeline/take-listing.ts';

/** Throws USAGE where the job has no folder: whoever mistypes an id must not be told that all is well. */
export async function requireJob({ store, layout }: ListingSource, job: string): Promise<void> {
  const folder = layout.jobFolder(job);
  for await (const page of store.list(folder)) if (page.length > 0) return;
  throw new MillraceError('USAGE', `there is no job ${JSON.stringify(job)}: nothing lies under ${folder}`);
}
