/**
 * Lists a job. The order is a rule: claims and runs, then results, then the rest of the folder. An output is written
 * before its result, and a result before its claim goes: read the other way round, a finished item could look like one
 * that was never dispatched.
 */
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import { type AttemptName, type Layout, parseAttemptPath, parseResultPath, parseWaitingName } from './layout.ts';
import { type ItemHistory, itemId, type Snapshot } from './snapshot.ts';

/** A snapshot but for the facts that only reading objects gives. */
export type Listing = Omit<Snapshot, 'facts'>;

export interface ListingSource {
  readonly store: ObjectStore;
  readonly layout: Layout;
}

const STATE_KINDS = ['claims', 'runs', 'retries'] as const;
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
  const list = (prefix: string, from?: string) => objectsUnder(store, prefix, from, signal);

  await Promise.all([
    ...STATE_KINDS.map(async (kind) => {
      for await (const { key, lastModifiedMs } of list(layout.statePrefixOf(kind, job))) {
        const name = parseAttemptPath(key);
        if (name === null) continue;
        const { fingerprint, attempt } = name;
        historyAt(history, name)[kind].push({ fingerprint, attempt, lastModifiedMs });
      }
    }),
    (async () => {
      for await (const { key } of list(layout.statePrefixOf('waiting', job))) {
        heldUntilMs = Math.max(heldUntilMs, parseWaitingName(key) ?? 0);
      }
    })(),
  ]);

  const folder = layout.jobFolder(job);
  for await (const { key, lastModifiedMs } of list(`${folder}${RESULTS}`)) {
    const result = parseResultPath(key);
    if (result === null) continue;
    const { fingerprint, attempt, status } = result;
    historyAt(history, result).results.push({ fingerprint, attempt, status, lastModifiedMs });
  }

  const objects = new Map<string, ObjectInfo>();
  const problems = new Set<string>();
  const take = (object: ObjectInfo) => {
    const problem = PROBLEM_KEY.exec(object.key)?.[1];
    if (problem !== undefined) problems.add(problem);
    else if (object.key !== '' && !object.key.endsWith('/')) objects.set(object.key, object);
  };
  for await (const object of list(folder)) {
    if (object.key >= RESULTS) break;
    take(object);
  }
  for await (const object of list(folder, AFTER_RESULTS)) take(object);

  const folderUri = `${store.scheme}://${store.bucket}/${folder}`;
  return { job, folderUri, objects, history, problems, heldUntilMs, takenAtMs };
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
