/**
 * Lists a job. The order is a rule: runs, then claims, then results, then the rest of the folder. An output is written
 * before its result, and a result before its claim goes: read the other way round, a finished item could look like one
 * that was never dispatched. A claim is written before its run: read the other way round, a run that has just been recorded
 * could look like one that has ended, and the item would be dispatched a second time.
 *
 * Where no run was ever recorded the rest is read at once, because somebody is waiting for a first dispatch. Where that finds neither claim
 * nor result nothing had begun, and nothing can be out of order; else what must come after the claims is read once more.
 */
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import { createHistory } from './history.ts';
import {
  type Layout,
  parseAttemptPath,
  parseResultPath,
  parseWaitingName,
  parseWebhookName,
  type StateKind,
  WEBHOOKS,
} from './layout.ts';
import type { Snapshot } from './snapshot.ts';
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
  const { history, add, forget } = createHistory();
  let heldUntilMs = 0;
  const retryNotesMs: number[] = [];
  const slotNotes: string[] = [];
  const list = (prefix: string, from?: string) => pagesUnder(store, prefix, from, signal);

  const takeAttempts = async (kind: StateKind): Promise<void> => {
    for await (const { page, keyOf } of list(layout.statePrefixOf(kind, job))) {
      for (const object of page) {
        const name = parseAttemptPath(keyOf(object));
        if (name === null) continue;
        const { fingerprint, attempt } = name;
        add(kind, name, { fingerprint, attempt, lastModifiedMs: object.lastModifiedMs });
      }
    }
  };
  const takeNotes = async (): Promise<void> => {
    const prefix = layout.statePrefixOf('waiting', job);
    for await (const { page, keyOf } of list(prefix)) {
      for (const object of page) {
        const note = parseWaitingName(keyOf(object));
        if (note?.kind === 'hold') heldUntilMs = Math.max(heldUntilMs, note.atMs);
        else if (note?.kind === 'retry') retryNotesMs.push(note.atMs);
        else if (note !== null) slotNotes.push(object.key);
      }
    }
  };
  const folder = layout.jobFolder(job);
  const takeResults = async (): Promise<void> => {
    for await (const { page, keyOf } of list(`${folder}${RESULTS}`)) {
      for (const object of page) {
        const result = parseResultPath(keyOf(object));
        if (result === null) continue;
        const { fingerprint, attempt, status } = result;
        add('results', result, { fingerprint, attempt, status, lastModifiedMs: object.lastModifiedMs });
      }
    }
  };
  const objects = new Map<string, ObjectInfo>();
  const problems = new Set<string>();
  const webhooks = new Map<string, SeenWebhook[]>();
  const take = (object: ObjectInfo, key: string) => {
    const problem = PROBLEM_KEY.exec(key)?.[1];
    if (problem !== undefined) problems.add(problem);
    else if (key.startsWith(WEBHOOKS)) takeWebhook(webhooks, key);
    else if (key !== '' && !key.endsWith('/')) objects.set(key, { ...object, key });
  };
  const takeBeforeResults = async (): Promise<void> => {
    for await (const { page, keyOf } of list(folder)) {
      for (const object of page) {
        const key = keyOf(object);
        if (key >= RESULTS) return;
        take(object, key);
      }
    }
  };
  const takeAfterResults = async (): Promise<void> => {
    for await (const { page, keyOf } of list(folder, AFTER_RESULTS)) for (const object of page) take(object, keyOf(object));
  };
  // No rule says which of the two is read first, and somebody may be waiting for both.
  const takeFolder = () => Promise.all([takeBeforeResults(), takeAfterResults()]);

  await Promise.all([takeAttempts('runs'), takeAttempts('retries'), takeNotes()]);
  const isBegun = history.size > 0;
  if (isBegun) {
    await takeAttempts('claims');
    await takeResults();
    await takeFolder();
  } else {
    await Promise.all([takeAttempts('claims'), takeResults(), takeFolder()]);
  }
  if (!isBegun && history.size > 0) {
    forget('results');
    for (const taken of [objects, problems, webhooks]) taken.clear();
    await takeResults();
    await takeFolder();
  }

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

interface ListedPage {
  readonly page: readonly ObjectInfo[];
  /** Relative to the prefix. */
  readonly keyOf: (object: ObjectInfo) => string;
}

/** Every object under a prefix, page by page: waiting for each object alone takes longer than all that is done with it. */
async function* pagesUnder(
  store: ObjectStore,
  prefix: string,
  from: string | undefined,
  signal: AbortSignal | undefined,
): AsyncIterable<ListedPage> {
  const options = { ...(from === undefined ? {} : { startAfter: prefix + from }), ...(signal === undefined ? {} : { signal }) };
  const keyOf = ({ key }: ObjectInfo) => key.slice(prefix.length);
  for await (const page of store.list(prefix, options)) yield { page, keyOf };
}
