/**
 * The sweep: on a timer in every consumer, claimed minute by minute so that one does it at a time. It takes up what
 * waits, settles claims that have lost their run, and clears away claims whose result has been seen.
 */
import type { Run } from '../manifests/state.ts';
import type { RunStatus } from './dispatcher.ts';
import { MARK } from './facts.ts';
import { type PlannedJob, planJob } from './job-plan.ts';
import { type AttemptName, parseAttemptPath, parseWaitingName } from './layout.ts';
import type { Plan, PlannedItem, PlannedStage } from './plan-types.ts';
import { type Reconciler, readRun } from './reconcile.ts';
import { hasResult, resultError, writeResult } from './results.ts';
import { settle } from './settle-claim.ts';
import type { Snapshot } from './snapshot.ts';

export interface Sweeper extends Reconciler {
  /** Has the job looked at again; resolves when a reconcile that began after the call has succeeded. */
  readonly wake: (job: string) => Promise<void>;
}

export interface SweepReport {
  /** False where another consumer has this minute's sweep. */
  readonly swept: boolean;
  readonly woken: number;
  readonly settled: number;
  readonly cleared: number;
}

const MINUTE_MS = 60_000;
/** Sweep keys are only looked at within their minute; older ones are rubbish. */
const SWEEPS_KEPT_MINUTES = 10;
/** For a claim whose stage is no longer in the graph. */
const DEFAULT_PATIENCE_SECONDS = 900;

const NOTHING: SweepReport = { swept: false, woken: 0, settled: 0, cleared: 0 };

/** One sweep. A job that cannot be swept is logged and left for the next one. */
export async function sweep(source: Sweeper, signal?: AbortSignal): Promise<SweepReport> {
  const minute = Math.floor(source.now() / MINUTE_MS);
  if (!(await source.store.createIfAbsent(source.layout.sweepKey(minute), source.consumerId))) return NOTHING;
  const woken = await wakeWaiting(source, signal);
  let settled = 0;
  let cleared = 0;
  for (const job of await jobsWithClaims(source, signal)) {
    signal?.throwIfAborted();
    try {
      const swept = await sweepJob(source, job, signal);
      settled += swept.settled;
      cleared += swept.cleared;
    } catch (error) {
      source.log.error({ job, error }, 'a job could not be swept');
    }
  }
  await clearOldSweeps(source, minute, signal);
  return { swept: true, woken, settled, cleared };
}

/** Takes up jobs that were held back. Only notes that were listed before the reconcile began are deleted after it. */
async function wakeWaiting({ store, layout, now, wake, log }: Sweeper, signal?: AbortSignal): Promise<number> {
  const prefix = `${layout.statePrefix}/waiting/`;
  const due = new Map<string, string[]>();
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const [job = '', name = ''] = key.slice(prefix.length).split('/');
      const notBeforeMs = parseWaitingName(name);
      if (notBeforeMs !== null && notBeforeMs <= now()) due.set(job, [...(due.get(job) ?? []), key]);
    }
  }
  let woken = 0;
  for (const [job, keys] of due) {
    signal?.throwIfAborted();
    try {
      await wake(job);
      for (const key of keys) await store.delete(key, signal);
      woken += 1;
    } catch (error) {
      log.error({ job, error }, 'a waiting job could not be taken up');
    }
  }
  return woken;
}

async function jobsWithClaims({ store, layout }: Sweeper, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const prefix = `${layout.statePrefix}/claims/`;
  const jobs = new Set<string>();
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const path = key.slice(prefix.length);
      const slash = path.indexOf('/');
      if (slash > 0 && parseAttemptPath(path.slice(slash + 1)) !== null) jobs.add(path.slice(0, slash));
    }
  }
  return jobs;
}

async function sweepJob(source: Sweeper, job: string, signal?: AbortSignal): Promise<{ settled: number; cleared: number }> {
  const planned = await planJob(source, job, signal);
  // Claims are what brings a sweep to a job whose events were lost: none goes before what its result makes possible is done.
  if (hasWork(planned.plan)) await source.wake(job);
  const claims = claimsOf(planned.snapshot);
  let cleared = 0;
  for (const claim of claims) {
    if (!claim.ended) continue;
    signal?.throwIfAborted();
    await source.store.delete(source.layout.stateKey('claims', job, claim), signal);
    cleared += 1;
  }
  const open = claims.filter(({ ended }) => !ended);
  return { settled: await settleOpen(source, job, planned, open, signal), cleared };
}

function hasWork({ dispatch, cancel, landed, problems }: Plan): boolean {
  return dispatch.length > 0 || cancel.length > 0 || landed.length > 0 || problems.some(({ known }) => !known);
}

async function settleOpen(
  source: Sweeper,
  job: string,
  { plan, graph }: PlannedJob,
  claims: readonly SweptClaim[],
  signal?: AbortSignal,
): Promise<number> {
  const stages = new Map(graph.stages.map((stage) => [stage.name, stage]));
  const statuses = new Map<string, RunStatus>();
  let settled = 0;
  try {
    for (const claim of claims) {
      signal?.throwIfAborted();
      const stage = stages.get(claim.stage);
      const patienceMs = (stage?.patience_sec ?? DEFAULT_PATIENCE_SECONDS) * 1000;
      const isPatient = source.now() - claim.lastModifiedMs < patienceMs;
      if (isPatient && stage?.endpoint === undefined) continue;
      const run = await readRun(source, job, claim, signal);
      // Another program's endpoint writes no result of ours, so its runs are asked after at every sweep.
      if (isPatient && run === null) continue;
      const item = plannedItem(plan.stages, claim);
      if (await settleClaim(source, job, { ...claim, isPatient }, run, item, statuses, signal)) settled += 1;
    }
  } finally {
    // The result's own event wakes the job too; but a sweep is for when events do not come.
    if (settled > 0) await source.wake(job);
  }
  return settled;
}

type SweptClaim = AttemptName & { readonly lastModifiedMs: number; readonly ended: boolean };
type OpenClaim = SweptClaim & { readonly isPatient: boolean };

function claimsOf(snapshot: Snapshot): SweptClaim[] {
  return [...snapshot.history].flatMap(([id, { claims, results }]) => {
    const [stage = '', item = ''] = id.split('/');
    return claims.map((claim) => {
      const ended = results.some(({ fingerprint, attempt }) => fingerprint === claim.fingerprint && attempt === claim.attempt);
      return { stage, item, ...claim, ended };
    });
  });
}

function plannedItem(stages: readonly PlannedStage[], { stage, item, fingerprint }: AttemptName): PlannedItem | undefined {
  const planned = stages.find(({ name }) => name === stage)?.items[Number(item)];
  return planned?.fingerprint === fingerprint ? planned : undefined;
}

/** True where a result was written. */
async function settleClaim(
  source: Sweeper,
  job: string,
  claim: OpenClaim,
  run: Run | null,
  item: PlannedItem | undefined,
  statuses: Map<string, RunStatus>,
  signal?: AbortSignal,
): Promise<boolean> {
  const status =
    run === null ? null : (statuses.get(run.run_id) ?? (await source.dispatcher.status(run.endpoint, run.run_id, signal)));
  if (run !== null && status !== null) statuses.set(run.run_id, status);
  // Not known yet, perhaps: only patience tells a run that RunPod has forgotten from one that it has just been given.
  if (claim.isPatient && status?.kind === 'unknown') return false;
  const settlement = settle(status, item !== undefined && (await isOutputThere(source, job, claim, item.outputKey, signal)));
  if (settlement === 'leave') return false;
  // The worker may have written its result between the listing and the end of its run.
  if (await hasResult(source, job, claim, signal)) return false;
  const { status: ending, error } = settlement;
  await writeResult(source, job, claim, ending, source.now(), {
    ...(run === null ? {} : { runId: run.run_id }),
    ...(error === undefined ? {} : { error: resultError(error) }),
  });
  const { stage, item: itemName, attempt } = claim;
  source.log.warn(
    { job, stage, item: itemName, attempt, runId: run?.run_id, ending, code: error?.code },
    'settled a claim without a result',
  );
  return true;
}

/** An output by its mark; one without a mark (another program's endpoint) by its time. */
async function isOutputThere(
  source: Sweeper,
  job: string,
  claim: OpenClaim,
  outputKey: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const head = await source.store.head(source.layout.jobKey(job, outputKey), signal);
  if (head === null) return false;
  const mark = head.metadata[MARK];
  return mark === undefined ? head.lastModifiedMs >= claim.lastModifiedMs : mark === claim.fingerprint;
}

async function clearOldSweeps({ store, layout }: Sweeper, minute: number, signal?: AbortSignal): Promise<void> {
  const prefix = `${layout.statePrefix}/sweeps/`;
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      if (Number(key.slice(prefix.length)) < minute - SWEEPS_KEPT_MINUTES) await store.delete(key, signal);
    }
  }
}
