/** What has been seen of the attempts of a job's items: their claims, runs, retry marks and results. */
import type { ResultStatus } from '../manifests/result.ts';
import type { AttemptName } from './layout.ts';

export interface SeenAttempt {
  readonly fingerprint: string;
  readonly attempt: number;
}

export interface SeenResult extends SeenAttempt {
  readonly status: ResultStatus;
  readonly lastModifiedMs: number;
}

export interface SeenClaim extends SeenAttempt {
  readonly lastModifiedMs: number;
}

/** Everything that is known of one item's attempts, whatever their fingerprint. */
export interface ItemHistory {
  readonly claims: readonly SeenClaim[];
  readonly runs: readonly SeenAttempt[];
  readonly retries: readonly SeenAttempt[];
  readonly results: readonly SeenResult[];
}

/** By stage, then by the number that is the item's name: texts take several times as long to look up, for each of a hundred thousand items. */
export type JobHistory = ReadonlyMap<string, StageHistory>;
export type StageHistory = ReadonlyMap<number, ItemHistory>;

export type ItemName = Pick<AttemptName, 'stage' | 'item'>;

export interface HistoryWriter {
  /** What has been added so far. */
  readonly history: JobHistory;
  add<K extends keyof ItemHistory>(kind: K, name: ItemName, seen: ItemHistory[K][number]): void;
  /** All of this kind, of whatever item. */
  forget(kind: keyof ItemHistory): void;
}

export const NO_HISTORY: ItemHistory = { claims: [], runs: [], retries: [], results: [] };

export function createHistory(): HistoryWriter {
  const history = new Map<string, Map<number, ItemHistory>>();
  return {
    history,
    add(kind, { stage, item }, seen) {
      const items = history.get(stage) ?? new Map<number, ItemHistory>();
      history.set(stage, items);
      const index = Number(item);
      const known = items.get(index) ?? { ...NO_HISTORY };
      items.set(index, known);
      const lists: Record<keyof ItemHistory, readonly SeenAttempt[]> = known;
      // Most items have one of each, and a list that has been pushed to has room for many.
      lists[kind] = lists[kind].length === 0 ? [seen] : [...lists[kind], seen];
    },
    forget(kind) {
      for (const items of history.values()) for (const [index, seen] of items) items.set(index, { ...seen, [kind]: [] });
    },
  };
}

export function historyOf({ history }: { readonly history: JobHistory }, stage: string, item: string): ItemHistory {
  return history.get(stage)?.get(Number(item)) ?? NO_HISTORY;
}

export function* historiesOf({
  history,
}: {
  readonly history: JobHistory;
}): Generator<ItemName & { readonly seen: ItemHistory }> {
  for (const [stage, items] of history) for (const [index, seen] of items) yield { stage, item: String(index), seen };
}
