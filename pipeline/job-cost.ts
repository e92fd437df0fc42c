/** Reads what a job has cost so far from its results. */

import type { ResultStatus } from '../manifests/result.ts';
import { costOf, type JobCost, type Prices, type StageResults } from './cost.ts';
import { historiesOf } from './history.ts';
import type { PlannedJob } from './job-plan.ts';
import type { AttemptName } from './layout.ts';
import { type MeasuredResult, readMeasuredResult } from './measured-result.ts';
import { inParallel } from './parallel.ts';
import type { PlannedStage } from './plan-types.ts';
import { attemptId, type Snapshot } from './snapshot.ts';
import type { ListingSource } from './take-listing.ts';

/**
 * Results never change once they are there: one that was read is not read again. Make one for as long as jobs are looked at. By job, attempt
 * and time: a job that was deleted may come again under its name, with the same attempts.
 */
export type ResultMemory = Map<string, MeasuredResult | undefined>;

export interface CostSource extends ListingSource {
  readonly prices: Prices;
  readonly memory: ResultMemory;
}

/** Reading so many takes a second or two. */
export const DEFAULT_MAX_RESULTS = 500;

const READS_AT_ONCE = 24;
/** Some 300 bytes each; the oldest go first. */
const MAX_REMEMBERED = 100_000;

type ResultName = AttemptName & { readonly status: ResultStatus; readonly lastModifiedMs: number };

/**
 * Null where more results than `maxReads` would have to be read: ask again with more. Costs of all attempts, also of those whose output was
 * replaced since. Throws where the bucket cannot be read.
 */
export async function readJobCost(
  source: CostSource,
  planned: PlannedJob,
  { maxReads = DEFAULT_MAX_RESULTS, signal }: { readonly maxReads?: number; readonly signal?: AbortSignal } = {},
): Promise<JobCost | null> {
  const { job } = planned.plan;
  const names = resultsOf(planned.snapshot);
  const id = (name: ResultName) => `${job}/${attemptId(name)}.${name.status}@${name.lastModifiedMs}`;
  const unread = names.filter((name) => !source.memory.has(id(name)));
  if (unread.length > maxReads) return null;
  const read = new Map(names.map((name) => [name, source.memory.get(id(name))]));
  await inParallel(READS_AT_ONCE, unread, async (name) => {
    const result = await readMeasuredResult(source, job, name, signal);
    read.set(name, result);
    remember(source.memory, id(name), result);
  });
  const results = [...read.values()].filter((result) => result !== undefined);
  return costOf(byStage(planned, results), source.prices);
}

/** Refused attempts never ran. */
function resultsOf(snapshot: Snapshot): ResultName[] {
  return [...historiesOf(snapshot)].flatMap(({ stage, item, seen: { results } }) =>
    results
      .filter(({ status }) => status !== 'refused')
      .map(({ fingerprint, attempt, status, lastModifiedMs }) => ({ stage, item, fingerprint, attempt, status, lastModifiedMs })),
  );
}

function remember(memory: ResultMemory, id: string, result: MeasuredResult | undefined): void {
  memory.set(id, result);
  if (memory.size <= MAX_REMEMBERED) return;
  for (const oldest of memory.keys()) {
    memory.delete(oldest);
    return;
  }
}

/** In the order of the graph; stages that the job had once, and has no more, come last. */
function byStage({ plan }: PlannedJob, results: readonly MeasuredResult[]): StageResults[] {
  const found = new Map<string, MeasuredResult[]>();
  for (const result of results) {
    const known = found.get(result.stage);
    if (known === undefined) found.set(result.stage, [result]);
    else known.push(result);
  }
  const names = [...new Set([...plan.stages.map(({ name }) => name), ...found.keys()])].filter((name) => found.has(name));
  return names.map((stage) => {
    const own = found.get(stage) ?? [];
    const planned = plan.stages.find(({ name }) => name === stage);
    return { stage, results: own, outputSeconds: outputSeconds(planned, own) };
  });
}

/** Of the outputs that are there now: of each item that is done, what its last success made. */
function outputSeconds(planned: PlannedStage | undefined, results: readonly MeasuredResult[]): number {
  const wanted = new Map(
    (planned?.items ?? []).filter(({ phase }) => phase === 'done').map(({ item, fingerprint }) => [item, fingerprint]),
  );
  const last = new Map<string, MeasuredResult>();
  for (const result of results) {
    if (result.status !== 'succeeded' || wanted.get(result.item) !== result.fingerprint) continue;
    if (result.attempt >= (last.get(result.item)?.attempt ?? 0)) last.set(result.item, result);
  }
  return [...last.values()].reduce((total, { mediaSeconds }) => total + (mediaSeconds ?? 0), 0);
}
