/**
 * The state of jobs whose folder somebody has deleted. It keeps attempt numbers from being used twice, so that what an old run still writes is
 * never taken for a new one's: it may go only once no old run can write anything any more.
 */
import type { Logger } from '../log.ts';
import { inParallel } from './parallel.ts';
import type { ListingSource } from './take-listing.ts';

export interface StateClearer extends ListingSource {
  readonly now: () => number;
  readonly log: Logger;
}

/** Claims, slots and waiting notes are not among them: the sweep sees to those, and this waits until it has. */
const KEPT_KINDS = ['runs', 'retries', 'webhooks'] as const;
const DAY_MS = 24 * 60 * 60_000;
/**
 * No presigned URL is ever valid for longer than seven days, whatever MILLRACE_MAX_TTL_SECONDS was when it was made. An upload that began
 * just before goes on for a while, and clocks differ.
 */
const KEPT_MS = 8 * DAY_MS;
const REQUESTS_AT_ONCE = 8;

/** `existing`: ids of jobs that have a folder. Answers how many jobs' state was deleted. Lists a request for every thousand objects of state. */
export async function clearDeletedJobs(
  source: StateClearer,
  existing: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<number> {
  const { layout } = source;
  const newestMs = new Map<string, number>();
  for (const kind of KEPT_KINDS) {
    const prefix = `${layout.statePrefix}/${kind}/`;
    for await (const { key, lastModifiedMs } of objectsUnder(source, prefix, signal)) {
      const job = key.slice(prefix.length).split('/')[0] ?? '';
      if (!existing.has(job)) newestMs.set(job, Math.max(lastModifiedMs, newestMs.get(job) ?? 0));
    }
  }
  const beforeMs = source.now() - KEPT_MS;
  let cleared = 0;
  for (const [job, lastMs] of newestMs) {
    signal?.throwIfAborted();
    // A folder may have come since the jobs were listed, and a claim tells of work under way.
    if (lastMs >= beforeMs || (await isUsed(source, job, signal))) continue;
    let objects = 0;
    for (const kind of KEPT_KINDS) {
      const keys: string[] = [];
      for await (const { key } of objectsUnder(source, `${layout.statePrefix}/${kind}/${job}/`, signal)) keys.push(key);
      await inParallel(REQUESTS_AT_ONCE, keys, (key) => source.store.delete(key, signal));
      objects += keys.length;
    }
    source.log.info({ job, objects }, 'deleted what was left of a job whose folder is gone');
    cleared += 1;
  }
  return cleared;
}

async function isUsed(source: StateClearer, job: string, signal?: AbortSignal): Promise<boolean> {
  const { layout } = source;
  for (const prefix of [layout.jobFolder(job), layout.statePrefixOf('claims', job)]) {
    for await (const _ of objectsUnder(source, prefix, signal)) return true;
  }
  return false;
}

async function* objectsUnder({ store }: ListingSource, prefix: string, signal?: AbortSignal) {
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) yield* page;
}
