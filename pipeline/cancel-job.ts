/** Stopping a job and letting it go on: `cancel.json`, written and deleted. Looking at the job again is the caller's. */
import type { Cancel } from '../manifests/cancel.ts';
import type { ListingSource } from './take-listing.ts';

const CANCEL_KEY = 'cancel.json';

/** Whether anything lies in the job's folder: a mistyped id would make one, and a later job of that name would begin cancelled. */
export async function hasJob({ store, layout }: ListingSource, job: string, signal?: AbortSignal): Promise<boolean> {
  const options = signal === undefined ? {} : { signal };
  for await (const page of store.list(layout.jobFolder(job), options)) if (page.length > 0) return true;
  return false;
}

/** True where it was not cancelled before: whoever cancelled first said why. */
export async function writeCancel({ store, layout }: ListingSource, job: string, reason: string | undefined): Promise<boolean> {
  const body: Cancel = reason === undefined ? {} : { reason };
  return store.createIfAbsent(layout.jobKey(job, CANCEL_KEY), `${JSON.stringify(body, null, 2)}\n`, {
    contentType: 'application/json',
  });
}

/** True where it was cancelled. */
export async function liftCancel({ store, layout }: ListingSource, job: string): Promise<boolean> {
  const key = layout.jobKey(job, CANCEL_KEY);
  const wasCancelled = (await store.head(key)) !== null;
  await store.delete(key);
  return wasCancelled;
}
