/**
 * The sweep: on a timer in every consumer, claimed minute by minute so that one does it at a time. It takes up what
 * waits, settles claims that have lost their run, and clears away claims whose result has been seen.
 */

import type { Run } from '../manifests/state.ts';
import { type Auditor, audit } from './audit.ts';
import type { RunStatus } from './dispatcher.ts';
import { MARK } from './facts.ts';
import { historiesOf } from './history.ts';
import { type PlannedJob, planJob } from './job-plan.ts';
import { type AttemptName, parseAttemptPath, parseWaitingName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { PlannedItem, PlannedStage } from './plan-types.ts';
import { isRetryNoted, type Reconciler, readRun } from './reconcile.ts';
import { hasResult, type ResultDetails, readResult, resultError, writeResult } from './results.ts';
import { settle } from './settle-claim.ts';
import { countByEndpoint, lineOf, listSlots, listWaiters, releaseSlots, type TakenSlot } from './slots.ts';
import { attemptId, type Snapshot } from './snapshot.ts';
import { StuckEndpoints } from './stuck-endpoints.ts';
import { leaveLine } from './waiting.ts';
import { isUntold } from './webhooks.ts';

export interface Sweeper extends Reconciler, Auditor {}

export interface SweepReport {
  /** False where another consumer has this minute's sweep. */
  readonly swept: boolean;
  readonly woken: number;
  readonly settled: number;
  readonly cleared: number;
  /** Jobs that the audit looked at; null where none was due. */
  readonly audited: number | null;
}

const MINUTE_MS = 60_000;
/** Sweep keys are only looked at within their minute; older ones are rubbish. */
const SWEEPS_KEPT_MINUTES = 10;
/** For a claim whose stage is no longer in the graph. */
const DEFAULT_PATIENCE_SECONDS = 900;
/** After its claim a run is recorded within seconds, or a call of RunPod's time limit; or never. */
const UNRECORDED_PATIENCE_MS = 3 * MINUTE_MS;
const JOBS_AT_ONCE = 8;
const CLAIMS_AT_ONCE = 16;
/** Of those that wait for slots: more that fail in one sweep are not the jobs' own fault. */
const MAX_FAILED_WAKES = 8;

const NOTHING: SweepReport = { swept: false, woken: 0, settled: 0, cleared: 0, audited: null };

/** One sweep. A job that cannot be swept is logged and left for the next one. */
export async function sweep(source: Sweeper, signal?: AbortSignal): Promise<SweepReport> {
  const startedAtMs = source.now();
  const minute = Math.floor(startedAtMs / MINUTE_MS);
  if (!(await source.store.createIfAbsent(source.layout.sweepKey(minute), source.consumerId))) return NOTHING;
  const slots = source.maxRunsInFlight === 0 ? [] : await listSlots(source, undefined, signal);
  if (source.maxRunsInFlight !== 0) source.observe?.('slots counted', { taken: countByEndpoint(slots) });
  const woken = (await wakeWaiting(source, signal)) + (await wakeForSlots(source, slots, signal));
  const stuck = new StuckEndpoints(source);
  let settled = 0;
  let cleared = 0;
  const jobs = new Set([...(await jobsWithClaims(source, signal)), ...slots.map(({ job }) => job)]);
  await inParallel(JOBS_AT_ONCE, [...jobs], async (job) => {
    signal?.throwIfAborted();
    try {
      const swept = await sweepJob(source, job, slots, stuck, signal);
      settled += swept.settled;
      cleared += swept.cleared;
    } catch (error) {
      signal?.throwIfAborted();
      source.log.error({ job, error }, 'a job could not be swept');
    }
  });
  await stuck.report(signal);
  await clearOldSweeps(source, minute, signal);
  const done = { woken, settled, cleared, audited: await audit(source, signal) };
  source.observe?.('swept', { durationMs: source.now() - startedAtMs, ...done });
  return { swept: true, ...done };
}

/** Takes up jobs whose time has come. Only notes that were listed before the reconcile began are deleted after it. */
async function wakeWaiting({ store, layout, now, wake, log }: Sweeper, signal?: AbortSignal): Promise<number> {
  const prefix = `${layout.statePrefix}/waiting/`;
  const due = new Map<string, string[]>();
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const [job = '', name = ''] = key.slice(prefix.length).split('/');
      const note = parseWaitingName(name);
      // Whoever waits for a slot takes its own notes away.
      if (note === null || typeof note.kind !== 'string' || note.atMs > now()) continue;
      due.set(job, [...(due.get(job) ?? []), key]);
    }
  }
  let woken = 0;
  await inParallel(JOBS_AT_ONCE, [...due], async ([job, keys]) => {
    signal?.throwIfAborted();
    try {
      await wake(job);
      for (const key of keys) await store.delete(key, signal);
      woken += 1;
    } catch (error) {
      log.error({ job, error }, 'a waiting job could not be taken up');
    }
  });
  return woken;
}

/** As many jobs as there are free slots, in the order of the line; all of them where there is no ceiling any more. */
async function wakeForSlots(source: Sweeper, slots: readonly TakenSlot[], signal?: AbortSignal): Promise<number> {
  const waiters = await listWaiters(source, signal);
  const woken = new Set<string>();
  let failures = 0;
  for (const endpoint of new Set(waiters.map((waiter) => waiter.endpoint))) {
    const ceiling = source.maxRunsInFlight === 0 ? Number.POSITIVE_INFINITY : source.maxRunsInFlight;
    let free = ceiling - slots.filter((slot) => slot.endpoint === endpoint).length;
    // One after the other: the first in the line has the first choice. One that cannot be looked at must not keep all others out.
    for (const job of lineOf(endpoint, waiters, slots)) {
      if (free <= 0 || failures >= MAX_FAILED_WAKES) break;
      signal?.throwIfAborted();
      try {
        if (!woken.has(job)) await source.wake(job);
        woken.add(job);
        free -= 1;
      } catch (error) {
        signal?.throwIfAborted();
        failures += 1;
        source.log.error({ job, error }, 'a job that waits for a slot could not be taken up');
        await leaveLine(source, job, source.now()).catch((reason: unknown) =>
          source.log.warn({ job, error: reason }, 'a job that cannot be looked at still waits for a slot'),
        );
      }
    }
  }
  return woken.size;
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

async function sweepJob(
  source: Sweeper,
  job: string,
  slots: readonly TakenSlot[],
  stuck: StuckEndpoints,
  signal?: AbortSignal,
): Promise<{ settled: number; cleared: number }> {
  const planned = await planJob(source, job, signal);
  // Claims are what brings a sweep to a job whose events were lost: none goes before what its result makes possible is done.
  if (hasWork(planned) || isUntold(source, planned)) await source.wake(job);
  const claims = claimsOf(planned.snapshot);
  const open = claims.filter(({ ended }) => !ended);
  const ended = claims.filter((claim) => claim.ended);
  const late: LateRuns = { stillOpen: new Set(open.map(attemptId)), asked: new Map() };
  let cleared = 0;
  // One after the other, the claims of a job of thousands would keep every other job waiting for its sweep.
  await inParallel(CLAIMS_AT_ONCE, ended, async (claim) => {
    signal?.throwIfAborted();
    if (claim.onlyCancelled && !(await cancelLateRun(source, job, claim, late, signal))) return;
    await source.store.delete(source.layout.stateKey('claims', job, claim), signal);
    cleared += 1;
  });
  await releaseSlots(source, planned.snapshot, slots, signal);
  return { settled: await settleOpen(source, job, planned, open, stuck, signal), cleared };
}

interface LateRuns {
  /** By `attemptId`. */
  readonly stillOpen: ReadonlySet<string>;
  /** Cancels that this look has asked for, by the run's id. */
  readonly asked: Map<string, Promise<void>>;
}

/**
 * An attempt may be cancelled between `/run` and the record of its run; nobody knew then which run to cancel, and the result names none. Its
 * claim stays until the record is there, or cannot come any more. A run that also carries open attempts goes on for them. Cancelling one that
 * has ended is no error. True where the claim may go.
 */
async function cancelLateRun(
  source: Sweeper,
  job: string,
  claim: SweptClaim,
  { stillOpen, asked }: LateRuns,
  signal?: AbortSignal,
): Promise<boolean> {
  const result = await readResult(source, job, claim, 'cancelled', signal);
  if (result?.run_id !== undefined) return true;
  const run = await readRun(source, job, claim, signal);
  if (run === null) return source.now() - claim.lastModifiedMs > UNRECORDED_PATIENCE_MS;
  const goesOn = run.attempts.some((attempt) => stillOpen.has(attemptId({ ...attempt, stage: claim.stage })));
  if (goesOn) return true;
  const answer = asked.get(run.run_id) ?? source.dispatcher.cancel(run.endpoint, run.run_id, signal);
  asked.set(run.run_id, answer);
  try {
    await answer;
    return true;
  } catch (error) {
    signal?.throwIfAborted();
    // The claim stays, so the next sweep tries again. All else that the job needs goes on.
    source.log.warn({ job, stage: claim.stage, item: claim.item, attempt: claim.attempt, error }, 'a run could not be cancelled');
    return false;
  }
}

function hasWork({ plan: { dispatch, cancel, landed, problems, retryAtMs }, snapshot }: PlannedJob): boolean {
  if (!isRetryNoted(snapshot, retryAtMs)) return true;
  return dispatch.length > 0 || cancel.length > 0 || landed.length > 0 || problems.some(({ known }) => !known);
}

async function settleOpen(
  source: Sweeper,
  job: string,
  { plan, graph }: PlannedJob,
  claims: readonly SweptClaim[],
  stuck: StuckEndpoints,
  signal?: AbortSignal,
): Promise<number> {
  const stages = new Map(graph.stages.map((stage) => [stage.name, stage]));
  const statuses = new Map<string, RunStatus>();
  /** An endpoint that cannot be asked must not keep the claims of others open. */
  const failures = new Map<string | undefined, unknown>();
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
      if ((isPatient && run === null) || failures.has(run?.endpoint)) continue;
      const item = plannedItem(plan.stages, claim);
      const open = { ...claim, isPatient, marksOutput: stage?.task !== undefined };
      try {
        if (await settleClaim(source, job, open, run, item, statuses, signal)) settled += 1;
        else if (run !== null && !isPatient && statuses.get(run.run_id)?.kind === 'queued') stuck.add(run.endpoint, job, claim);
      } catch (thrown) {
        signal?.throwIfAborted();
        failures.set(run?.endpoint, thrown);
      }
    }
  } finally {
    // The result's own event wakes the job too; but a sweep is for when events do not come.
    if (settled > 0) await source.wake(job);
  }
  for (const failure of failures.values()) throw failure;
  return settled;
}

type SweptClaim = AttemptName & { readonly lastModifiedMs: number; readonly ended: boolean; readonly onlyCancelled: boolean };
type OpenClaim = SweptClaim & { readonly isPatient: boolean; readonly marksOutput: boolean };

function claimsOf(snapshot: Snapshot): SweptClaim[] {
  return [...historiesOf(snapshot)].flatMap(({ stage, item, seen: { claims, results } }) =>
    claims.map((claim) => {
      const own = results.filter(({ fingerprint, attempt }) => fingerprint === claim.fingerprint && attempt === claim.attempt);
      const onlyCancelled = own.every(({ status }) => status === 'cancelled');
      return { stage, item, ...claim, ended: own.length > 0, onlyCancelled };
    }),
  );
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
  // Before its output is looked for: most claims are of this kind.
  if (status?.kind === 'queued' || status?.kind === 'running') return false;
  const settlement = settle(status, item !== undefined && (await isOutputThere(source, job, claim, item.outputKey, signal)));
  if (settlement === 'leave') return false;
  // The worker may have written its result between the listing and the end of its run.
  if (await hasResult(source, job, claim, signal)) return false;
  const { status: ending, error } = settlement;
  await writeResult(source, job, claim, ending, source.now(), {
    ...(run === null ? {} : { runId: run.run_id, endpoint: run.endpoint, ...executionOf(status, run) }),
    ...(error === undefined ? {} : { error: resultError(error) }),
  });
  const { stage, item: itemName, attempt } = claim;
  source.log.warn(
    { job, stage, item: itemName, attempt, runId: run?.run_id, ending, code: error?.code },
    'settled a claim without a result',
  );
  return true;
}

function executionOf(status: RunStatus | null, { attempts }: Run): Pick<ResultDetails, 'execution'> {
  if (status === null || !('executionMs' in status) || status.executionMs === undefined) return {};
  return { execution: { seconds: status.executionMs / 1000, items: attempts.length } };
}

/** An output by its mark; another program's, which has none, by its time. What a person put there is nobody's success. */
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
  return mark === undefined && !claim.marksOutput ? head.lastModifiedMs >= claim.lastModifiedMs : mark === claim.fingerprint;
}

async function clearOldSweeps({ store, layout }: Sweeper, minute: number, signal?: AbortSignal): Promise<void> {
  const prefix = `${layout.statePrefix}/sweeps/`;
  for await (const page of store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      if (Number(key.slice(prefix.length)) < minute - SWEEPS_KEPT_MINUTES) await store.delete(key, signal);
    }
  }
}
