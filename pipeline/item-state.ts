/** What one item's listing says: done, running, failed, or what to dispatch next. The rules are those of docs/architecture.md. */

import type { ObjectInfo } from '../storage/object-store.ts';
import type { ItemHistory, SeenAttempt, SeenClaim, SeenResult } from './history.ts';
import { type Facts, failureId, writingId } from './snapshot.ts';

/** All attempts of one fingerprint together, so that a worker that "succeeds" without an output cannot run for ever. */
export const MAX_ATTEMPTS_OF_ANY_KIND = 12;

export type ItemState =
  /** `ownerMade`: the output carries no mark, so somebody put it there by hand. */
  | { readonly kind: 'done'; readonly ownerMade: boolean }
  /** An output of another program's endpoint, which writes no result of ours: the consumer writes it. */
  | { readonly kind: 'landed'; readonly attempt: number }
  | { readonly kind: 'running'; readonly attempt: number }
  | { readonly kind: 'dispatch'; readonly attempt: number; readonly why: string }
  /** It failed, and may be tried again then. */
  | { readonly kind: 'retrying'; readonly attempt: number; readonly why: string; readonly notBeforeMs: number }
  | { readonly kind: 'failed'; readonly attempt: number; readonly why: string }
  /** `attempt`: the last one that succeeded. */
  | { readonly kind: 'removed'; readonly attempt: number }
  | { readonly kind: 'needs-mark'; readonly version: ObjectInfo }
  | { readonly kind: 'needs-failure'; readonly failed: SeenResult };

export interface ItemFacts {
  readonly stage: string;
  readonly item: string;
  readonly fingerprint: string;
  readonly output: ObjectInfo | undefined;
  readonly history: ItemHistory;
  readonly maxAttempts: number;
  /** Before the second attempt; twice as long before every further one. */
  readonly retryDelayMs: number;
  readonly nowMs: number;
  /** False for another program's endpoint, whose outputs carry no mark. */
  readonly marksOutputs: boolean;
  readonly facts: Facts;
}

export function itemState(item: ItemFacts): ItemState {
  if (item.marksOutputs && item.output !== undefined && isProven(item.output, item)) return MADE;
  const wanted = attemptsOf(item.history, item.fingerprint);
  if (item.output !== undefined) {
    const settled = item.marksOutputs ? markedOutput(item.output, item) : unmarkedOutput(item.output, item, wanted);
    if (settled !== 'outdated') return settled;
  } else {
    const succeeded = Math.max(0, ...wanted.succeeded.map(({ attempt }) => attempt));
    if (succeeded > wanted.retryMark) return { kind: 'removed', attempt: succeeded };
  }
  const open = wanted.open.at(-1);
  if (open !== undefined) return { kind: 'running', attempt: open.attempt };
  return nextAttempt(item, wanted);
}

interface WantedAttempts {
  readonly succeeded: readonly { readonly attempt: number; readonly lastModifiedMs: number }[];
  /** Failed results that still count, by attempt: above the retry mark, and after the last success. */
  readonly failed: readonly SeenResult[];
  /** When the last of them was written; 0 without one. */
  readonly lastFailedMs: number;
  /** Claims without a result. */
  readonly open: readonly SeenClaim[];
  /** What came of attempts up to this one is forgotten; 0 without a mark. */
  readonly retryMark: number;
  readonly highest: number;
  /** Attempts above the mark that RunPod accepted, as far as is known. */
  readonly spent: number;
}

const NO_ATTEMPTS: WantedAttempts = {
  ...{ succeeded: [], failed: [], lastFailedMs: 0, open: [] },
  ...{ retryMark: 0, highest: 0, spent: 0 },
};

function attemptsOf(history: ItemHistory, fingerprint: string): WantedAttempts {
  // Most items of a big job that begins.
  if (history.claims.length + history.runs.length + history.retries.length + history.results.length === 0) return NO_ATTEMPTS;
  const results = ofFingerprint(history.results, fingerprint);
  const claims = ofFingerprint(history.claims, fingerprint);
  const retryMark = highestOf(ofFingerprint(history.retries, fingerprint));
  const runs = ofFingerprint(history.runs, fingerprint);
  // Splitting went well: what follows has failures of its own. The cap on attempts of any kind still counts all.
  const split = highestOf(results.filter(({ status }) => status === 'split'));
  const forgotten = Math.max(retryMark, split);
  // A success proves that the work can be done, so what failed before it is forgiven; what fails after it counts from one again.
  const counted = results.filter(({ attempt }) => attempt > forgotten);
  const successes = counted.filter(({ status }) => status === 'succeeded');
  const isForgiven = (failure: SeenResult) =>
    successes.some((success) => success.attempt >= failure.attempt || success.lastModifiedMs > failure.lastModifiedMs);
  const failed = counted.filter((seen) => seen.status === 'failed' && !isForgiven(seen));
  const accepted = new Set(results.filter(({ status }) => status !== 'refused').map(({ attempt }) => attempt));
  return {
    succeeded: results.filter(({ status }) => status === 'succeeded'),
    failed: failed.sort((a, b) => a.attempt - b.attempt),
    lastFailedMs: Math.max(0, ...failed.map(({ lastModifiedMs }) => lastModifiedMs)),
    open: claims
      .filter(({ attempt }) => !results.some((result) => result.attempt === attempt))
      .sort((a, b) => a.attempt - b.attempt),
    retryMark,
    highest: Math.max(retryMark, highestOf(claims), highestOf(runs), highestOf(results)),
    spent: [...accepted].filter((attempt) => attempt > retryMark).length,
  };
}

/** Where all are of one fingerprint, as nearly always, nothing is copied. */
function ofFingerprint<T extends SeenAttempt>(seen: readonly T[], fingerprint: string): readonly T[] {
  const isWanted = (one: T) => one.fingerprint === fingerprint;
  return seen.every(isWanted) ? seen : seen.filter(isWanted);
}

const highestOf = (seen: readonly SeenAttempt[]): number => seen.reduce((most, { attempt }) => Math.max(most, attempt), 0);

const MADE: ItemState = { kind: 'done', ownerMade: false };

/** Listing alone decides the common case: a success no older than the output, and no other fingerprint ever at work. */
function isProven(output: ObjectInfo, item: ItemFacts): boolean {
  const { history, fingerprint } = item;
  const isSuccess = (seen: SeenResult) =>
    seen.status === 'succeeded' && seen.fingerprint === fingerprint && seen.lastModifiedMs >= output.lastModifiedMs;
  return history.results.some(isSuccess) && !otherFingerprintKnown(item);
}

/** The output's mark decides where another fingerprint has ever been at work. */
function markedOutput(output: ObjectInfo, item: ItemFacts): ItemState | 'outdated' {
  const mark = item.facts.marks.get(writingId(output));
  if (mark === undefined) return { kind: 'needs-mark', version: output };
  if (mark === null) return { kind: 'done', ownerMade: true };
  return mark === item.fingerprint ? MADE : 'outdated';
}

/**
 * Without marks the times decide: an output is the newest run's if it is no older than that run's claim. Two runs at
 * once can be mistaken for each other here, which is why outputs of our own worker carry marks.
 */
function unmarkedOutput(output: ObjectInfo, item: ItemFacts, wanted: WantedAttempts): ItemState | 'outdated' {
  const { history } = item;
  if (history.claims.length === 0 && history.results.length === 0) return { kind: 'done', ownerMade: true };
  const noOlder = wanted.succeeded.some(({ lastModifiedMs }) => lastModifiedMs >= output.lastModifiedMs);
  // RunPod may carry a run out twice: a newer output is the same run's, or its owner's, unless another fingerprint was at work.
  if (noOlder || (wanted.succeeded.length > 0 && !otherFingerprintKnown(item))) return { kind: 'done', ownerMade: false };
  const open = wanted.open.at(-1);
  return open !== undefined && output.lastModifiedMs >= open.lastModifiedMs
    ? { kind: 'landed', attempt: open.attempt }
    : 'outdated';
}

function otherFingerprintKnown({ history, fingerprint }: ItemFacts): boolean {
  const isOther = (seen: SeenAttempt) => seen.fingerprint !== fingerprint;
  return history.claims.some(isOther) || history.runs.some(isOther) || history.results.some(isOther);
}

function nextAttempt(item: ItemFacts, wanted: WantedAttempts): ItemState {
  const attempt = wanted.highest + 1;
  const lastFailed = wanted.failed.at(-1);
  if (lastFailed !== undefined) {
    const failure = item.facts.failures.get(failureId({ stage: item.stage, item: item.item, ...lastFailed }));
    if (failure === undefined) return { kind: 'needs-failure', failed: lastFailed };
    const why = `${failure.code}: ${failure.message}`;
    if (!failure.retryable) return { kind: 'failed', attempt: lastFailed.attempt, why };
    if (wanted.failed.length >= item.maxAttempts) {
      return { kind: 'failed', attempt: lastFailed.attempt, why: `failed ${wanted.failed.length} times, at last with ${why}` };
    }
    if (wanted.spent < MAX_ATTEMPTS_OF_ANY_KIND) {
      const notBeforeMs = wanted.lastFailedMs + retryDelayMs(item, wanted.failed.length);
      if (notBeforeMs > item.nowMs) return { kind: 'retrying', attempt, why, notBeforeMs };
      return { kind: 'dispatch', attempt, why: `attempt ${lastFailed.attempt} failed with ${why}` };
    }
  }
  if (wanted.spent >= MAX_ATTEMPTS_OF_ANY_KIND) {
    return { kind: 'failed', attempt: wanted.highest, why: `ATTEMPTS_EXHAUSTED: ${wanted.spent} attempts left no valid output` };
  }
  return { kind: 'dispatch', attempt, why: reasonToRun(item, wanted) };
}

/** However often an item has failed, and whatever its stage says. */
const MAX_RETRY_DELAY_MS = 60 * 60_000;

function retryDelayMs({ retryDelayMs: firstMs }: ItemFacts, failures: number): number {
  return Math.min(MAX_RETRY_DELAY_MS, firstMs * 2 ** (failures - 1));
}

function reasonToRun(item: ItemFacts, wanted: WantedAttempts): string {
  if (wanted.highest > 0) return 'no attempt so far has left a valid output';
  if (otherFingerprintKnown(item)) return 'its inputs or parameters have changed';
  return item.output === undefined ? 'its output is not there' : 'its output was made by something else';
}
