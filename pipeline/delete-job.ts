/**
 * Deletes a job: first its runs stop, then its folder goes, then its state, and `cancel.json` last of all. Whatever looks at the job
 * meanwhile finds it cancelled and dispatches nothing; whoever is killed in between has left a cancelled job, and can ask again.
 */
import { writeCancel } from './cancel-job.ts';
import { type JobPlanner, planJob } from './job-plan.ts';
import { inParallel } from './parallel.ts';
import { openAttempts } from './plan.ts';
import { listSlots } from './slots.ts';
import type { ListingSource } from './take-listing.ts';

export interface DeletedJob {
  /** Of the job's folder. */
  readonly objects: number;
  readonly stateObjects: number;
  /** Attempts that may still run; nothing was deleted where there are any. */
  readonly running: number;
  /** False where runs have not stopped, or the time was up: ask again, and it goes on. */
  readonly isFinished: boolean;
}

const DELETES_AT_ONCE = 16;
const MAX_PASSES = 3;
const STATE_KINDS = ['claims', 'runs', 'retries', 'waiting'] as const;

export interface DeleteOptions {
  /** Looks at the job again, or has it looked at: a cancelled job's runs are stopped then. */
  readonly look: (job: string) => Promise<unknown>;
  /** No object is deleted after this, in milliseconds since 1970. */
  readonly untilMs: number;
}

/** Deleting what is not there is no error. */
export async function deleteJob(
  source: JobPlanner,
  job: string,
  { look, untilMs }: DeleteOptions,
  signal?: AbortSignal,
): Promise<DeletedJob> {
  const { layout } = source;
  const folder = layout.jobFolder(job);
  const cancelKey = layout.jobKey(job, 'cancel.json');
  const prefixes = [...STATE_KINDS.map((kind) => layout.statePrefixOf(kind, job)), layout.webhookClaimPrefix(job)];
  const slots = (await listSlots(source, undefined, signal)).filter((slot) => slot.job === job);
  const isThere = slots.length > 0 || (await anyUnder(source, [folder, ...prefixes], signal));
  if (!isThere) return { objects: 0, stateObjects: 0, running: 0, isFinished: true };

  await writeCancel(source, job, 'The job is being deleted.');
  await look(job);
  const running = openAttempts((await planJob(source, job, signal)).snapshot).length;
  if (running > 0) return { objects: 0, stateObjects: 0, running, isFinished: false };

  const remove = async (keys: readonly string[]): Promise<number> => {
    let deleted = 0;
    await inParallel(DELETES_AT_ONCE, keys, async (key) => {
      if (source.now() >= untilMs) return;
      await source.store.delete(key, signal);
      deleted += 1;
    });
    return deleted;
  };
  let [objects, stateObjects] = [0, 0];
  const counted = (): DeletedJob => ({ objects, stateObjects, running: 0, isFinished: false });
  // A worker that was stopped may write a last result meanwhile, and a consumer a note.
  for (let pass = 1, found = 1; pass <= MAX_PASSES && found > 0; pass += 1) {
    found = 0;
    for (const prefix of [folder, ...prefixes]) {
      for await (const keys of pagesUnder(source, prefix, signal)) {
        const deleted = await remove(keys.filter((key) => key !== cancelKey));
        found += deleted;
        if (prefix === folder) objects += deleted;
        else stateObjects += deleted;
        if (source.now() >= untilMs) return counted();
      }
    }
  }
  const left = await listSlots(source, undefined, signal);
  stateObjects += await remove(left.filter((slot) => slot.job === job).map(({ key }) => key));
  if (source.now() >= untilMs) return counted();
  await source.store.delete(cancelKey, signal);
  return { objects: objects + 1, stateObjects, running: 0, isFinished: true };
}

async function anyUnder(source: ListingSource, prefixes: readonly string[], signal?: AbortSignal): Promise<boolean> {
  for (const prefix of prefixes) {
    for await (const keys of pagesUnder(source, prefix, signal)) if (keys.length > 0) return true;
  }
  return false;
}

async function* pagesUnder({ store }: ListingSource, prefix: string, signal?: AbortSignal): AsyncGenerator<string[]> {
  const options = signal === undefined ? {} : { signal };
  for await (const page of store.list(prefix, options)) yield page.map(({ key }) => key);
}
