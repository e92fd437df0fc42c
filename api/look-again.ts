/**
 * Has a job looked at again after it was changed. A note in the bucket goes first: should this program die, or RunPod not be set up here, the
 * sweep of a consumer sees to it. The look of this program only makes it soon.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError } from '../errors.ts';
import { writeNote } from '../pipeline/waiting.ts';
import type { ApiParts } from './parts.ts';

/** Where this program looks itself, the sweep need not be as quick. */
const NOTE_AFTER_MS = 60_000;
/** Nobody is kept waiting for the dispatch of thousands of items: it goes on behind the answer. */
const WAIT_MS = 5_000;

/** True where the job has been looked at within a few seconds. */
export async function lookAgain(parts: ApiParts, job: string, reason: string, waitMs = WAIT_MS): Promise<boolean> {
  const { planner, reconcile, randomId, now, log } = parts;
  const source = { store: planner.store, layout: planner.layout, randomId };
  await writeNote(source, job, now() + (reconcile === undefined ? 0 : NOTE_AFTER_MS), reason, 'retry');
  if (reconcile === undefined) return false;
  const looked = reconcile(job).then(
    () => true,
    (thrown: unknown) => {
      log.warn({ job, error: asMillraceError(thrown) }, 'a job could not be looked at again; the sweep will');
      return false;
    },
  );
  if (waitMs === 0) return false;
  const done = new AbortController();
  const tooLate = sleep(waitMs, false, { signal: done.signal }).catch(() => false);
  try {
    return await Promise.race([looked, tooLate]);
  } finally {
    done.abort();
  }
}
