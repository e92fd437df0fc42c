/**
 * Lists a job. The order is a rule: runs, then claims, then results, then the rest of the folder. An output is written
 * before its result, and a result before its claim goes: read the other way round, a finished item could look like one
 * that was never dispatched. A claim is written before its run: read the other way round, a run that has just been recorded
 * could look like one that has ended, and the item would be dispatched a second time.
 */
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import {
  type AttemptName,
  type Layout,
  parseAttemptPath,
  parseResultPath,
  parseWaitingName,
  parseWebhookName,
  type StateKind,
  WEBHOOKS,
} from './layout.ts';
import { type ItemHistory, itemId, type Snapshot } from './snapshot.ts';
import type { SeenWebhook } from './webhook-schedule.ts';

/** A snapshot but for the facts that only reading objects gives. */
export type Listing = Omit<Snapshot, 'facts'>;

export interface ListingSource {
  readonly store: ObjectStore;
  readonly layout: Layout;
}

const PROBLEM_KEY = /^problems\/(.+)\.json$/;
const RESULTS = 'results/';
/** Comes after every key in `results/`. */
const AFTER_RESULTS = `${RESULTS}\u{10ffff}`;

export async function takeListing(
  { store, layout }: ListingSource,
  job: string,
  takenAtMs: number,
  signal?: AbortSignal,
): Promise<Listing> {
  const history = new Map<string, ItemHistory>();
  let heldUntilMs = 0;
  const retryNotesMs: number[] = [];
  const slotNotes: string[] = [];
  const list = (prefix: string, from?: string) => objectsUnder(store, prefix, from, signal);

  const takeAttempts = async (kind: StateKind): Promise<void> => {
    for await (const { key, lastModifiedMs } of list(layout.statePrefixOf(kind, job))) {
      const name = parseAttemptPath(key);
      if (name === null) continue;
      const { fingerprint, attempt } = name;
      historyAt(history, name)[kind].push({ fingerprint, attempt, lastModifiedMs });
    }
  };
  const takeNotes = async (): Promise<void> => {
    const prefix = layout.statePrefixOf('waiting', job);
    for await (const { key } of list(prefix)) {
      const note = parseWaitingName(key);
      if (note?.kind === 'hold') heldUntilMs = Math.max(heldUntilMs, note.atMs);
      else if (note?.kind === 'retry') retryNotesMs.push(note.atMs);
      else if (note !== null) slotNotes.push(prefix + key);
    }
  };
  await Promise.all([takeAttempts('runs'), takeAttempts('retries'), takeNotes()]);
  await takeAttempts('claims');

  const folder = layout.jobFolder(job);
  for await (const { key, lastModifiedMs } of list(`${folder}${RESULTS}`)) {
    const result = parseResultPath(key);
    if (result === null) continue;
    const { fingerprint, attempt, status } = result;
    historyAt(history, result).results.push({ fingerprint, attempt, status, lastModifiedMs });
  }

  const objects = new Map<string, ObjectInfo>();
  const problems = new Set<string>();
  const webhooks = new Map<string, SeenWebhook[]>();
  const take = (object: ObjectInfo) => {
    const problem = PROBLEM_KEY.exec(object.key)?.[1];
    if (problem !== undefined) problems.add(problem);
    else if (object.key.startsWith(WEBHOOKS)) takeWebhook(webhooks, object.key);
    else if (object.key !== '' && !object.key.endsWith('/')) objects.set(object.key, object);
  };
  const takeBeforeResults = async (): Promise<void> => {
    for await (const object of list(folder)) {
      if (object.key >= RESULTS) return;
      take(object);
    }
  };
  const takeAfterResults = async (): Promise<void> => {
    for await (const object of list(folder, AFTER_RESULTS)) take(object);
  };
  // No rule says which of the two is read first, and somebody may be waiting for both.
  await Promise.all([takeBeforeResults(), takeAfterResults()]);

  const folderUri = `${store.scheme}://${store.bucket}/${folder}`;
  return { job, folderUri, objects, history, problems, webhooks, heldUntilMs, retryNotesMs, slotNotes, takenAtMs };
}

/** `key` is relative to the job's folder. */
export function takeWebhook(webhooks: Map<string, SeenWebhook[]>, key: string): void {
  const name = parseWebhookName(key.slice(WEBHOOKS.length));
  if (name === null || name.outcome === null) return;
  const { id, attempt, outcome } = name;
  webhooks.set(id, [...(webhooks.get(id) ?? []), { attempt, outcome }]);
}

/** Every object under a prefix, its key made relative to it. */
async function* objectsUnder(
  store: ObjectStore,
  prefix: string,
  from: string | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<ObjectInfo> {
  const options = { ...(from === undefined ? {} : { startAfter: prefix + from }), ...(signal === undefined ? {} : { signal }) };
  for await (const page of store.list(prefix, options)) {
    for (const object of page) yield { ...object, key: object.key.slice(prefix.length) };
  }
}

function historyAt(history: Map<string, ItemHistory>, { stage, item }: Pick<AttemptName, 'stage' | 'item'>): ItemHistory {
  const id = itemId(stage, item);
  const known = history.get(id);
  if (known !== undefined) return known;
  const fresh: ItemHistory = { claims: [], runs: [], retries: [], results: [] };
  history.set(id, fresh);
  return fresh;
}
