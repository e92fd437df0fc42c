/**
 * Judges a job that has come to rest by what its owner wrote and what its outputs were made from. Where an output is missing or
 * outdated there must be a reason that an owner would accept: cancelled, failed for good, removed, or waiting for something.
 */
import { MARK } from '../../pipeline/facts.ts';
import { MAX_ATTEMPTS_OF_ANY_KIND } from '../../pipeline/item-state.ts';
import { parseResultPath } from '../../pipeline/layout.ts';
import type { Plan } from '../../pipeline/plan-types.ts';
import { countedFailures, type Ending } from './budget.ts';
import type { Folder, JobShape, WantedItem, WantedStage } from './job-shape.ts';
import { essenceOf, mediaEssence } from './media.ts';
import type { MemoryBucket } from './memory-bucket.ts';
import { LAYOUT } from './settings.ts';

/** `unclear`: another program's output is there, without a mark, and it may well be an older one's that failed to be replaced. */
export type Verdict = 'done' | 'waiting' | 'cancelled' | 'failed' | 'removed' | 'unclear';

export interface Judgement {
  /** By output key. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly faults: readonly string[];
}

export interface OracleScope {
  readonly bucket: MemoryBucket;
  /** What outputs of a fingerprint are made of, as far as it is known. */
  readonly meaningOf: (fingerprint: string) => string | undefined;
}

export function folderOf(bucket: MemoryBucket, job: string): Folder {
  const root = LAYOUT.jobFolder(job);
  return {
    job,
    text: (key) => bucket.text(root + key),
    keys: (prefix) => bucket.keysUnder(root + prefix).map((key) => key.slice(root.length)),
  };
}

export function judge({ bucket, meaningOf }: OracleScope, shape: JobShape, job: string): Judgement {
  const folder = folderOf(bucket, job);
  const verdicts = new Map<string, Verdict>();
  const faults: string[] = [];
  const isCancelled = folder.text('cancel.json') !== undefined;

  for (const stage of shape.wanted(folder)) {
    for (const [index, item] of stage.items.entries()) verdicts.set(item.key, verdictOn(stage, index, item));
  }
  for (const key of shape.unreadable(folder)) {
    const name = key.slice(key.lastIndexOf('/') + 1);
    const etag = bucket.objects.get(LAYOUT.jobKey(job, key))?.etag;
    if (!bucket.objects.has(LAYOUT.problemKey(job, `${name}.${etag}`)))
      faults.push(`nobody was told that ${job}/${key} is nonsense`);
  }
  return { verdicts, faults };

  function verdictOn(stage: WantedStage, index: number, item: WantedItem): Verdict {
    const { key, inputs, after, parameters } = item;
    const isSettled = (input: string): boolean => folder.text(input) !== undefined && (verdicts.get(input) ?? 'done') === 'done';
    if (inputs === null) return 'waiting';
    const needed = [...inputs.map((input) => input.key), ...(after === undefined ? [] : [after])];
    if (needed.some((input) => verdicts.get(input) === 'unclear')) return 'unclear';
    if (!needed.every(isSettled)) return 'waiting';
    const wanted = mediaEssence(
      stage.task,
      parameters,
      inputs.map(({ name, key: input }) => [name, essenceOf(folder.text(input) ?? '')]),
    );
    const object = bucket.objects.get(LAYOUT.jobKey(job, key));
    const attempts = attemptsAt(stage.name, index, wanted);
    const isOver = isCancelled || attempts.some(hasFailedForGood);
    // What a person made stays, whatever becomes of its inputs.
    if (object !== undefined && object.metadata[MARK] === undefined) return isOver && !stage.isOurs ? 'unclear' : 'done';
    if (object !== undefined && essenceOf(object.bytes.toString()) === wanted) return 'done';
    if (object === undefined && attempts.some(hasSucceeded)) return isOver && !stage.isOurs ? 'unclear' : 'removed';
    if (isOver) return isCancelled ? 'cancelled' : 'failed';
    faults.push(`${job}/${key} is ${object === undefined ? 'missing' : 'outdated'}, and nothing says why`);
    return 'waiting';
  }

  interface Attempts {
    readonly statuses: readonly (Ending & { readonly key: string })[];
  }

  /** The results of one item, apart for every fingerprint that may be the wanted one, without those that a retry has forgotten. */
  function attemptsAt(stage: string, index: number, wanted: string): Attempts[] {
    const byFingerprint = new Map<string, (Ending & { key: string })[]>();
    const prefix = `results/${stage}/${index}/`;
    for (const key of folder.keys(prefix)) {
      const result = parseResultPath(key.slice('results/'.length));
      if (result === null || (meaningOf(result.fingerprint) ?? wanted) !== wanted) continue;
      if (result.attempt <= retryMark(stage, index, result.fingerprint)) continue;
      const seen = byFingerprint.get(result.fingerprint) ?? [];
      const atMs = bucket.objects.get(LAYOUT.jobKey(job, key))?.lastModifiedMs ?? 0;
      seen.push({ status: result.status, attempt: result.attempt, atMs, key });
      byFingerprint.set(result.fingerprint, seen);
    }
    return [...byFingerprint.values()].map((statuses) => ({ statuses }));
  }

  function retryMark(stage: string, index: number, fingerprint: string): number {
    const prefix = `${LAYOUT.statePrefixOf('retries', job)}${stage}/${index}/${fingerprint}.`;
    return Math.max(0, ...bucket.keysUnder(prefix).map((key) => Number(key.slice(prefix.length))));
  }

  function hasFailedForGood({ statuses }: Attempts): boolean {
    if (statuses.filter(({ status }) => status !== 'refused').length >= MAX_ATTEMPTS_OF_ANY_KIND) return true;
    const failures = countedFailures(statuses);
    return failures.length >= MAX_FAILURES || failures.some(({ key }) => /"retryable":\s*false/.test(folder.text(key) ?? ''));
  }
}

const MAX_FAILURES = 3;

const hasSucceeded = ({ statuses }: { readonly statuses: readonly { readonly status: string }[] }): boolean =>
  statuses.some(({ status }) => status === 'succeeded');

/** What a plan says of a job at rest must be what the oracle says. */
export function compareWithPlan({ verdicts }: Judgement, plan: Plan): string[] {
  const faults: string[] = [];
  const planned = new Map(plan.stages.flatMap(({ items }) => items).map((item) => [item.outputKey, item]));
  for (const [key, verdict] of verdicts) {
    if (verdict === 'unclear') continue;
    const item = planned.get(key);
    if (item === undefined) {
      faults.push(`${plan.job}/${key} is ${verdict}, and the plan does not know it`);
      continue;
    }
    const isSame =
      verdict === 'waiting'
        ? ['waiting', 'cancelled'].includes(item.phase)
        : item.phase === verdict || item.phase === 'cancelled';
    if (!isSame) faults.push(`${plan.job}/${key} is ${verdict}, and the plan says ${item.phase} ${item.why}`);
  }
  for (const { stage, outputKey, phase, why } of planned.values()) {
    if (phase === 'external' || stage === 'clips') continue;
    if (!verdicts.has(outputKey) && phase !== 'waiting' && phase !== 'cancelled') {
      faults.push(`${plan.job}/${outputKey} is not wanted, and the plan says ${phase} ${why}`);
    }
  }
  return faults;
}
