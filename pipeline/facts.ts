/** Fetches what a plan needs beyond the listing, and remembers it by version across reconciles. */
import { text } from 'node:stream/consumers';
import { MillraceError } from '../errors.ts';
import { type Parsed, parseJson } from '../manifests/parse.ts';
import { Result, type ResultError } from '../manifests/result.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { inParallel } from './parallel.ts';
import type { Needs } from './plan-types.ts';
import { readDocument } from './read-document.ts';
import { type Facts, type FailedAttempt, failureId, type Lookup, versionId, writingId } from './snapshot.ts';
import type { ListingSource } from './take-listing.ts';

/** The user metadata name of the writer's mark. */
export const MARK = 'fingerprint';

/** How many facts of each kind one process remembers; the oldest go first. A fact is asked for again when it is gone. */
const MAX_REMEMBERED: RememberedFacts = { documents: 256, marks: 200_000, failures: 50_000 };

export type RememberedFacts = Readonly<Record<'documents' | 'marks' | 'failures', number>>;
const FETCHES_AT_ONCE = 16;

/** Facts are bound to a version, so they never go stale; keys hold the job too. */
export interface FactStore {
  /** The facts known of one job. */
  of(job: string): Facts;
  /**
   * Answers what it fetched, beside remembering it: one job may need more than one process remembers.
   * Throws SOURCE_CHANGED where an object has changed since it was listed: list again.
   */
  fetch(job: string, needs: Needs, signal?: AbortSignal): Promise<FetchedFacts>;
}

/** By the ids of `Facts`. */
export interface FetchedFacts extends Facts {
  readonly documents: ReadonlyMap<string, Parsed<unknown>>;
  readonly marks: ReadonlyMap<string, string | null>;
  readonly failures: ReadonlyMap<string, ResultError>;
}

export function createFactStore({ store, layout }: ListingSource, remembered: RememberedFacts = MAX_REMEMBERED): FactStore {
  const documents = new Map<string, Parsed<unknown>>();
  const marks = new Map<string, string | null>();
  const failures = new Map<string, ResultError>();

  async function fetchDocument(job: string, object: ObjectInfo, signal?: AbortSignal): Promise<Parsed<unknown>> {
    const found = await store.get(layout.jobKey(job, object.key), { ifMatch: object.etag, ...signalled(signal) });
    if (found === null) throw changed(object);
    const document = parseJson(await text(found.body));
    remember(documents, `${job}/${versionId(object)}`, document, remembered.documents);
    return document;
  }

  async function fetchMark(job: string, object: ObjectInfo, signal?: AbortSignal): Promise<string | null> {
    const found = await store.head(layout.jobKey(job, object.key), signal);
    if (found === null || found.etag !== object.etag) throw changed(object);
    const mark = found.metadata[MARK] ?? null;
    remember(marks, `${job}/${writingId(object)}`, mark, remembered.marks);
    return mark;
  }

  async function fetchFailure(job: string, name: FailedAttempt, signal?: AbortSignal): Promise<ResultError> {
    const failed = await readDocument({ store }, layout.resultKey(job, name, 'failed'), FailedResult, signal);
    const error = failed?.error ?? UNREADABLE;
    remember(failures, `${job}/${failureId(name)}`, error, remembered.failures);
    return error;
  }

  return {
    of(job) {
      return { documents: prefixed(documents, job), marks: prefixed(marks, job), failures: prefixed(failures, job) };
    },
    async fetch(job, needs, signal) {
      const fetched = { documents: new Map<string, Parsed<unknown>>(), marks: new Map(), failures: new Map() };
      const fetches = [
        ...needs.documents.map((object) => async () => {
          fetched.documents.set(versionId(object), await fetchDocument(job, object, signal));
        }),
        ...needs.marks.map((object) => async () => {
          fetched.marks.set(writingId(object), await fetchMark(job, object, signal));
        }),
        ...needs.failures.map((failed) => async () => {
          fetched.failures.set(failureId(failed), await fetchFailure(job, failed, signal));
        }),
      ];
      await inParallel(FETCHES_AT_ONCE, fetches, (fetch) => fetch());
      return fetched;
    },
  };
}

const FailedResult = Result.pick({ error: true }).extend({ error: Result.shape.error.unwrap() });

/** A failed result that is no result of ours is still a failure; trying again is the way out. */
const UNREADABLE: ResultError = { code: 'INTERNAL', message: 'the failed result could not be read', retryable: true };

function changed(object: ObjectInfo): MillraceError {
  return new MillraceError('SOURCE_CHANGED', `${object.key} has changed since it was listed`, { context: { key: object.key } });
}

const signalled = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal === undefined ? {} : { signal });

function remember<T>(facts: Map<string, T>, id: string, fact: T, most: number): void {
  facts.delete(id);
  facts.set(id, fact);
  if (facts.size <= most) return;
  const [oldest] = facts.keys();
  if (oldest !== undefined) facts.delete(oldest);
}

/** A view of one job's facts by the ids that a plan knows. */
const prefixed = <T>(facts: ReadonlyMap<string, T>, job: string): Lookup<T> => ({ get: (id) => facts.get(`${job}/${id}`) });
