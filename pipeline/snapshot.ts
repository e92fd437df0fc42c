/** What a reconcile knows of a job: what it listed, and the facts it has fetched so far. Plain data. */
import type { Parsed } from '../manifests/parse.ts';
import type { ResultError } from '../manifests/result.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { historyOf, type JobHistory, type SeenResult } from './history.ts';
import type { AttemptName } from './layout.ts';
import type { SeenWebhook } from './webhook-schedule.ts';

export interface Snapshot {
  readonly job: string;
  /** `s3://videos/pipelines/<job>/`: what a key inside the job is appended to to make its URI. */
  readonly folderUri: string;
  /** By key relative to the job's folder; without `results/`, `problems/` and `webhooks/`. */
  readonly objects: ReadonlyMap<string, ObjectInfo>;
  readonly history: JobHistory;
  /** Names of the problem objects that are there: `<name>.<version>`. */
  readonly problems: ReadonlySet<string>;
  /** How attempts to send webhooks went, by the webhook's id. */
  readonly webhooks: ReadonlyMap<string, readonly SeenWebhook[]>;
  /** The latest time until which a waiting note holds the job; 0 without one. */
  readonly heldUntilMs: number;
  /** When the job is to be looked at again for items that may be tried again then, by the notes that are there. */
  readonly retryNotesMs: readonly number[];
  /** Keys of the notes that say that the job waits for a slot. */
  readonly slotNotes: readonly string[];
  /** When the listing began. */
  readonly takenAtMs: number;
  readonly facts: Facts;
}

/** A Map is one. */
export interface Lookup<T> {
  get(id: string): T | undefined;
}

/** What a listing does not tell, by the version it was read from. `plan` says which of them it needs. */
export interface Facts {
  /** By `versionId`: a document's parsed JSON. */
  readonly documents: Lookup<Parsed<unknown>>;
  /** By `writingId` of an output: its writer's mark, `null` where it has none. */
  readonly marks: Lookup<string | null>;
  /** By `failureId`: why a failed attempt failed. */
  readonly failures: Lookup<ResultError>;
}

export const versionId = ({ key, etag, generation }: Pick<ObjectInfo, 'key' | 'etag' | 'generation'>): string =>
  `${key}@${generation ?? etag}`;

/** Of one writing of an object: the mark is metadata, and changes without the bytes where another attempt makes the same output. */
export const writingId = (object: Pick<ObjectInfo, 'key' | 'etag' | 'generation' | 'lastModifiedMs'>): string =>
  `${versionId(object)}@${object.lastModifiedMs}`;

export const attemptId = ({ stage, item, fingerprint, attempt }: AttemptName): string =>
  `${stage}/${item}/${fingerprint}.${attempt}`;

/** RunPod may carry a run out twice, and the second time it may fail in another way: when its result was written is part of what is known. */
export interface FailedAttempt extends AttemptName {
  readonly lastModifiedMs: number;
}

export const failureId = (failed: FailedAttempt): string => `${attemptId(failed)}@${failed.lastModifiedMs}`;

/** Why an attempt failed; `undefined` where it did not, or its result was not read. */
export function failureOf(snapshot: Snapshot, name: AttemptName): ResultError | undefined {
  const isWanted = ({ status, fingerprint, attempt }: SeenResult) =>
    status === 'failed' && fingerprint === name.fingerprint && attempt === name.attempt;
  const seen = historyOf(snapshot, name.stage, name.item).results.find(isWanted);
  if (seen === undefined) return undefined;
  return snapshot.facts.failures.get(failureId({ ...name, lastModifiedMs: seen.lastModifiedMs }));
}

/** What an object's content enters a fingerprint by: its generation where the store has them, else its ETag. */
export const versionOf = ({ etag, generation }: Pick<ObjectInfo, 'etag' | 'generation'>): string => generation ?? etag;
