/**
 * What must wait is remembered in the bucket, not in a message: holding the message would spend its receive count, and good events
 * would end in the dead-letter queue. Each note has a key of its own, and is deleted only by somebody who had listed it before the look at
 * the job that made it needless began.
 */
import { withoutSecrets } from '../errors.ts';
import type { WaitingNote } from '../manifests/state.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type Layout, parseWaitingName, type WaitingKind } from './layout.ts';

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

/**
 * A job that cannot be looked at would keep its share of the slots free for ever: it waits for the next sweep instead of a slot. The new note
 * goes first, and outlives any slot note that is written meanwhile and deleted here.
 */
export async function leaveLine(source: WaitingSource, job: string, nowMs: number): Promise<void> {
  const { store, layout } = source;
  await writeNote(source, job, nowMs, 'it waits for a slot, and could not be looked at', 'retry');
  const prefix = layout.statePrefixOf('waiting', job);
  for await (const page of store.list(prefix)) {
    for (const { key } of page) {
      const note = parseWaitingName(key.slice(prefix.length));
      if (note !== null && typeof note.kind !== 'string') await store.delete(key);
    }
  }
}
