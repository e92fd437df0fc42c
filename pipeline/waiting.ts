/**
 * What must wait is remembered in the bucket, not in a message: holding the message would spend its receive count, and good events
 * would end in the dead-letter queue. Each note has a key of its own, and is deleted only by somebody who had listed it before the look at
 * the job that made it needless began.
 */
import { withoutSecrets } from '../errors.ts';
import type { WaitingNote } from '../manifests/state.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Layout, WaitingKind } from './layout.ts';

export interface WaitingSource {
  readonly store: ObjectStore;
  readonly layout: Layout;
  /** A new text every time, hex or digits. */
  readonly randomId: () => string;
}

/** `atMs`: not before when; for a slot since when. */
export async function writeNote(
  { store, layout, randomId }: WaitingSource,
  job: string,
  atMs: number,
  reason: string,
  kind: WaitingKind = 'hold',
): Promise<void> {
  const note: WaitingNote = { version: 1, job, reason: withoutSecrets(reason), at: new Date(atMs).toISOString() };
  await store.put(layout.waitingKey(job, atMs, randomId(), kind), JSON.stringify(note), { contentType: 'application/json' });
}
