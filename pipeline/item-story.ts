/** The story of one item, told from what is left of it in the bucket: inputs, claims, runs, results, retries, its output. */

import { Result } from '../manifests/result.ts';
import { Claim, Retry, Run } from '../manifests/state.ts';
import { MARK } from './facts.ts';
import { historyOf } from './history.ts';
import { originsOf } from './item-origins.ts';
import type { PlannedJob } from './job-plan.ts';
import type { AttemptName } from './layout.ts';
import type { PlannedItem } from './plan-types.ts';
import { readDocument } from './read-document.ts';
import type { ListingSource } from './take-listing.ts';

export interface StoryLine {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** 0 for what is about no attempt. */
  readonly attempt: number;
  /** Of what the item was made from then; empty for what is about no attempt. */
  readonly fingerprint: string;
  readonly what: string;
}

export interface OpenRun extends AttemptName {
  readonly runId: string;
  readonly endpoint: string;
}

export interface ItemStory {
  readonly item: PlannedItem;
  /** In the order of their times. */
  readonly lines: readonly StoryLine[];
  /** Runs of attempts without a result: RunPod knows more about them. */
  readonly openRuns: readonly OpenRun[];
  /** The output's mark: `null` for one that somebody put there, undefined where there is no output. */
  readonly mark: string | null | undefined;
}

/** Undefined where the plan has no such item. */
export async function tellItemStory(
  source: ListingSource,
  { plan, graph, snapshot }: PlannedJob,
  stage: string,
  itemName: string,
  signal?: AbortSignal,
): Promise<ItemStory | undefined> {
  const { job } = plan;
  const item = plan.stages.find(({ name }) => name === stage)?.items[Number(itemName)];
  if (item === undefined) return undefined;
  const { layout, store } = source;
  const { claims, runs, results, retries } = historyOf(snapshot, stage, itemName);
  const lines: StoryLine[] = originsOf(graph, snapshot, stage, itemName).map(({ atMs, what }) => {
    return { atMs, attempt: 0, fingerprint: '', what };
  });
  const openRuns: OpenRun[] = [];
  const name = (seen: { fingerprint: string; attempt: number }): AttemptName => ({ stage, item: itemName, ...seen });

  for (const { fingerprint, attempt, lastModifiedMs } of claims) {
    const key = layout.stateKey('claims', job, name({ fingerprint, attempt }));
    const claim = await readDocument(source, key, Claim, signal);
    const told = claim === null ? { atMs: lastModifiedMs, what: 'claimed by a consumer' } : claiming(claim);
    lines.push({ fingerprint, attempt, ...told });
  }
  for (const { fingerprint, attempt } of runs) {
    const run = await readDocument(source, layout.stateKey('runs', job, name({ fingerprint, attempt })), Run, signal);
    if (run === null) continue;
    const isSwept = !claims.some((claim) => claim.fingerprint === fingerprint && claim.attempt === attempt);
    if (isSwept && run.claim !== undefined) lines.push({ fingerprint, attempt, ...claiming(run.claim) });
    const others = run.attempts.length === 1 ? '' : `, with ${run.attempts.length - 1} more of its stage`;
    const what = `RunPod took it: run ${run.run_id} of ${run.endpoint}${others}`;
    lines.push({ atMs: Date.parse(run.dispatched_at), fingerprint, attempt, what });
    const hasEnded = results.some((result) => result.fingerprint === fingerprint && result.attempt === attempt);
    if (!hasEnded) openRuns.push({ ...name({ fingerprint, attempt }), runId: run.run_id, endpoint: run.endpoint });
  }
  for (const { fingerprint, attempt, status, lastModifiedMs } of results) {
    const result = await readDocument(source, layout.resultKey(job, name({ fingerprint, attempt }), status), Result, signal);
    lines.push({ atMs: lastModifiedMs, fingerprint, attempt, what: ending(status, result) });
  }
  for (const { fingerprint, attempt } of retries) {
    const retry = await readDocument(source, layout.stateKey('retries', job, name({ fingerprint, attempt })), Retry, signal);
    if (retry === null) continue;
    lines.push({ atMs: Date.parse(retry.asked_at), fingerprint, attempt, what: 'somebody asked for a retry' });
  }
  const output = snapshot.objects.get(item.outputKey);
  const head = output === undefined ? null : await store.head(layout.jobKey(job, item.outputKey), signal);
  if (head !== null) {
    lines.push({
      atMs: head.lastModifiedMs,
      attempt: 0,
      fingerprint: '',
      what: `its output was written (${head.sizeBytes} bytes)`,
    });
  }
  lines.sort((a, b) => a.atMs - b.atMs);
  return { item, lines, openRuns, mark: head === null ? undefined : (head.metadata[MARK] ?? null) };
}

function claiming(claim: Claim): Pick<StoryLine, 'atMs' | 'what'> {
  return { atMs: Date.parse(claim.claimed_at), what: `claimed by ${claim.consumer}` };
}

function ending(status: string, result: Result | null): string {
  if (result === null) return status;
  const by =
    result.written_by === 'worker'
      ? `worker${result.worker_id === undefined ? '' : ` ${result.worker_id}`}`
      : 'a consumer on its behalf';
  const took = result.worker_sec === undefined ? '' : ` after ${result.worker_sec.toFixed(1)} s`;
  const fix = result.error?.fix === undefined ? '' : ` (${result.error.fix})`;
  const error = result.error === undefined ? '' : `: ${result.error.code}: ${result.error.message}${fix}`;
  const chunks = status === 'split' ? result.output?.chunks : undefined;
  const into = typeof chunks === 'number' ? ` into ${chunks} chunks` : '';
  return `${status}${into}${took}, says ${by}${error}`;
}
