/**
 * Lists a job. The order is a rule: runs, then claims, then results, then the rest of the folder. An output is written
 * before its result, and a result before its claim goes: read the other way round, a finished item could look like one
 * that was never dispatched. A claim is written before its run: read the other way round, a run that has just been recorded
 * could look like one that has ended, and the item would be dispatched a second time.
 *
 * Waiting notes come before all that they are about: whoever has listed one, looks, and deletes it, has then seen what its writer saw.
 *
 * A job that may be new is listed at once, because somebody is waiting for a first dispatch. Where that finds neither run nor claim nor
 * result nor note nothing had begun, and nothing can be out of order; else the rest is listed once more, and of that job in order from then on.
 */
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import { createHistory, type JobHistory } from './history.ts';
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

export async function takeListing(source: ListingSource, job: string, takenAtMs: number, signal?: AbortSignal): Promise<Listing> {
  const listed = new ListedJob(source, job, signal);
  const takeState = () => Promise.all([listed.takeAttempts('runs'), listed.takeAttempts('retries'), listed.takeNotes()]);
  const begun = begunJobs(source.store);
  let isNew = false;
  if (begun.has(job)) await takeState();
  else {
    const [isWhole] = await Promise.all([listed.takeFirstPage(), listed.takeAttempts('claims'), takeState()]);
    isNew = isWhole && listed.history.size === 0 && !listed.isWaiting;
  }
  if (!isNew) {
    remember(begun, job);
    listed.forgetFolder();
    await listed.takeAttempts('claims');
    await listed.takeResults();
    // No rule says which of the two is read first, and somebody may be waiting for both.
    await Promise.all([listed.takeBeforeResults(), listed.takeAfterResults()]);
  }
  const folderUri = `${source.store.scheme}://${source.store.bucket}/${source.layout.jobFolder(job)}`;
  const { history, objects, problems, webhooks, heldUntilMs, retryNotesMs, slotNotes } = listed;
  return { job, folderUri, objects, history, problems, webhooks, heldUntilMs, retryNotesMs, slotNotes, takenAtMs };
}

/** Jobs that this process has seen begun. One that it has forgotten is listed twice, once. */
const begunByStore = new WeakMap<ObjectStore, Set<string>>();
const MAX_REMEMBERED = 10_000;

function begunJobs(store: ObjectStore): Set<string> {
  const jobs = begunByStore.get(store) ?? new Set();
  begunByStore.set(store, jobs);
  return jobs;
}

function remember(jobs: Set<string>, job: string): void {
  jobs.add(job);
  if (jobs.size <= MAX_REMEMBERED) return;
  for (const oldest of jobs) {
    jobs.delete(oldest);
    return;
  }
}

/** What has been listed of a job so far. */
class ListedJob {
  readonly #source: ListingSource;
  readonly #job: string;
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;
  readonly #attempts = createHistory();
  readonly objects = new Map<string, ObjectInfo>();
  readonly problems = new Set<string>();
  readonly webhooks = new Map<string, SeenWebhook[]>();
  readonly retryNotesMs: number[] = [];
  readonly slotNotes: string[] = [];
  heldUntilMs = 0;

  constructor(source: ListingSource, job: string, signal: AbortSignal | undefined) {
    this.#source = source;
    this.#job = job;
    this.#folder = source.layout.jobFolder(job);
    this.#signal = signal;
  }

  get history(): JobHistory {
    return this.#attempts.history;
  }

  /** Has a note of any kind. */
  get isWaiting(): boolean {
    return this.heldUntilMs > 0 || this.retryNotesMs.length + this.slotNotes.length > 0;
  }

  async takeAttempts(kind: StateKind): Promise<void> {
    for await (const { page, keyOf } of this.#pages(this.#source.layout.statePrefixOf(kind, this.#job))) {
      for (const object of page) {
        const name = parseAttemptPath(keyOf(object));
        if (name === null) continue;
        const { fingerprint, attempt } = name;
        this.#attempts.add(kind, name, { fingerprint, attempt, lastModifiedMs: object.lastModifiedMs });
      }
    }
  }

  async takeNotes(): Promise<void> {
    for await (const { page, keyOf } of this.#pages(this.#source.layout.statePrefixOf('waiting', this.#job))) {
      for (const object of page) {
        const note = parseWaitingName(keyOf(object));
        if (note?.kind === 'hold') this.heldUntilMs = Math.max(this.heldUntilMs, note.atMs);
        else if (note?.kind === 'retry') this.retryNotesMs.push(note.atMs);
        else if (note !== null) this.slotNotes.push(object.key);
      }
    }
  }

  /** Results too. Answers whether that was all: a folder of many objects is hardly new. */
  async takeFirstPage(): Promise<boolean> {
    let pages = 0;
    for await (const { page, keyOf } of this.#pages(this.#folder)) {
      pages += 1;
      if (pages > 1) return false;
      for (const object of page) this.#take(object, keyOf(object));
    }
    return true;
  }

  async takeResults(): Promise<void> {
    for await (const { page, keyOf } of this.#pages(`${this.#folder}${RESULTS}`)) {
      for (const object of page) this.#takeResult(object, keyOf(object));
    }
  }

  async takeBeforeResults(): Promise<void> {
    for await (const { page, keyOf } of this.#pages(this.#folder)) {
      for (const object of page) {
        const key = keyOf(object);
        if (key >= RESULTS) return;
        this.#take(object, key);
      }
    }
  }

  async takeAfterResults(): Promise<void> {
    for await (const { page, keyOf } of this.#pages(this.#folder, AFTER_RESULTS)) {
      for (const object of page) this.#take(object, keyOf(object));
    }
  }

  /** Claims and results too. */
  forgetFolder(): void {
    this.#attempts.forget('claims');
    this.#attempts.forget('results');
    this.objects.clear();
    this.problems.clear();
    this.webhooks.clear();
  }

  /** `key` is relative to the job's folder. */
  #take(object: ObjectInfo, key: string): void {
    const problem = PROBLEM_KEY.exec(key)?.[1];
    if (problem !== undefined) this.problems.add(problem);
    else if (key.startsWith(RESULTS)) this.#takeResult(object, key.slice(RESULTS.length));
    else if (key.startsWith(WEBHOOKS)) takeWebhook(this.webhooks, key);
    else if (key !== '' && !key.endsWith('/')) this.objects.set(key, { ...object, key });
  }

  #takeResult({ lastModifiedMs }: ObjectInfo, path: string): void {
    const result = parseResultPath(path);
    if (result === null) return;
    const { fingerprint, attempt, status } = result;
    this.#attempts.add('results', result, { fingerprint, attempt, status, lastModifiedMs });
  }

  /** Page by page: waiting for each object alone takes longer than all that is done with it. */
  async *#pages(prefix: string, from?: string): AsyncIterable<ListedPage> {
    const signal = this.#signal;
    const options = { ...(from === undefined ? {} : { startAfter: prefix + from }), ...(signal === undefined ? {} : { signal }) };
    const keyOf = ({ key }: ObjectInfo) => key.slice(prefix.length);
    for await (const page of this.#source.store.list(prefix, options)) yield { page, keyOf };
  }
}

interface ListedPage {
  readonly page: readonly ObjectInfo[];
  /** Relative to the prefix. */
  readonly keyOf: (object: ObjectInfo) => string;
}

/** `key` is relative to the job's folder. */
export function takeWebhook(webhooks: Map<string, SeenWebhook[]>, key: string): void {
  const name = parseWebhookName(key.slice(WEBHOOKS.length));
  if (name === null || name.outcome === null) return;
  const { id, attempt, outcome } = name;
  webhooks.set(id, [...(webhooks.get(id) ?? []), { attempt, outcome }]);
}
