/** Looks at one job again: plans it and carries the plan out. Level-triggered: which event asked for it does not matter. */

import type { Problem } from '../manifests/problem.ts';
import { Run } from '../manifests/state.ts';
import { untraced } from '../trace.ts';
import { dispatchRun, type RunDispatcher, type RunOutcome } from './dispatch-run.ts';
import { historiesOf, historyOf } from './history.ts';
import { type JobPlanner, type PlannedJob, planJob } from './job-plan.ts';
import type { AttemptName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { Plan, PlannedDispatch, PlannedProblem } from './plan-types.ts';
import { readDocument } from './read-document.ts';
import { writeResult } from './results.ts';
import {
  countByEndpoint,
  countSlots,
  endpointOf,
  giveBack,
  giveBackUnbegun,
  lineOf,
  releaseSlots,
  type SlotCount,
  type SlotSource,
  type SlottedRun,
  type TakenSlot,
  takeSlots,
  type Waiter,
} from './slots.ts';
import { attemptId, type Snapshot } from './snapshot.ts';
import { writeNote } from './waiting.ts';
import type { WebhookTeller } from './webhook-attempt.ts';
import { tellEnds, unsignable } from './webhooks.ts';

export interface Reconciler extends JobPlanner, RunDispatcher, SlotSource, WebhookTeller {}

export interface ReconcileReport {
  readonly job: string;
  readonly dispatched: number;
  readonly cancelled: number;
  readonly problems: number;
  /** Other jobs that should be looked at now, because slots became free that they wait for. The sweep does it where nobody does. */
  readonly wake: readonly string[];
  /** When an item or a webhook that has failed may be tried again, in milliseconds since 1970. The sweep sees to it where nobody does. */
  readonly retryAtMs: number | null;
  /** What the plan said, before it was carried out. */
  readonly plan: Plan;
}

const RUNS_AT_ONCE = 8;
/** Between two looks whether the job has been stopped, where slots do not set the pace. */
const UNSLOTTED_RUNS_PER_WAVE = 64;
const CANCELS_AT_ONCE = 4;

/**
 * Throws where the bucket could not be read or written: whoever asked must ask again. RunPod's refusals do not throw:
 * they are noted in the bucket, and the sweep takes the job up again. Aborting stops between two effects.
 */
export async function reconcile(source: Reconciler, job: string, signal?: AbortSignal): Promise<ReconcileReport> {
  const slots = slotCounter(source, signal);
  const planned = await tracedPlan(source, job, slots.begin, signal);
  const { plan } = planned;
  const problems = [...plan.problems, ...unsignable(source, planned)].filter(({ known }) => !known);
  for (const problem of problems) await writeProblem(source, job, problem);
  for (const landed of plan.landed) {
    const output = { output_uri: planned.snapshot.folderUri + landed.outputKey };
    await writeResult(source, job, landed, 'succeeded', source.now(), { output });
  }
  const cancelled = await cancelUnwanted(source, planned, signal);
  if (plan.retryAtMs !== null && !isRetryNoted(planned.snapshot, plan.retryAtMs)) {
    await writeNote(source, job, plan.retryAtMs, 'an item failed and is to be tried again', 'retry');
  }
  const { dispatched, wake } = await dispatchWithinCeiling(source, planned, slots, signal);
  // After everything else: a receiver may take its time.
  const tellAtMs = await tellEnds(source, planned, signal);
  if (tellAtMs !== null && !isRetryNoted(planned.snapshot, tellAtMs)) {
    await writeNote(source, job, tellAtMs, 'a webhook is to be sent again', 'retry');
  }
  const timesMs = [plan.retryAtMs, tellAtMs].filter((time) => time !== null);
  const retryAtMs = timesMs.length === 0 ? null : Math.min(...timesMs);
  return { job, dispatched, cancelled, problems: problems.length, wake, retryAtMs, plan };
}

interface SlotCounter {
  /** What comes of it is asked for later, if at all. */
  begin(): void;
  counted(): Promise<SlotCount>;
}

/** Counts once, after the job has been listed: slots that the listing knows nothing of are never taken for those of attempts that have ended. */
function slotCounter(source: Reconciler, signal?: AbortSignal): SlotCounter {
  let count: Promise<SlotCount> | undefined;
  const counted = () => {
    count ??= countSlots(source, signal);
    return count;
  };
  const begin = () => {
    if (source.maxRunsInFlight > 0) counted().catch(() => {});
  };
  return { begin, counted };
}

function tracedPlan(source: Reconciler, job: string, whileReading: () => void, signal?: AbortSignal): Promise<PlannedJob> {
  return (source.trace ?? untraced).span('plan', { attributes: { 'millrace.job': job } }, async (span) => {
    const planned = await planJob(source, job, signal, whileReading);
    span.set({ 'millrace.dispatch': planned.plan.dispatch.length, 'millrace.cancel': planned.plan.cancel.length });
    return planned;
  });
}

/** A note as late as this serves as well as one of its own: items that fail one after the other share it. */
const RETRY_NOTE_SLACK_MS = 60_000;

/** True where a note will have the job looked at again in time for what has failed, or nothing has. */
export function isRetryNoted({ retryNotesMs }: Snapshot, retryAtMs: number | null): boolean {
  // An earlier one will not do: it may be deleted by a sweep whose look at the job began before this failure.
  return retryAtMs === null || retryNotesMs.some((noteMs) => noteMs >= retryAtMs && noteMs <= retryAtMs + RETRY_NOTE_SLACK_MS);
}

/** Takes slots for what may run now, dispatches it, and notes where the job has to wait for slots. */
async function dispatchWithinCeiling(
  source: Reconciler,
  { plan, snapshot }: PlannedJob,
  slotCounter: SlotCounter,
  signal?: AbortSignal,
): Promise<{ readonly dispatched: number; readonly wake: readonly string[] }> {
  const { job, dispatch } = plan;
  const runs = intoRuns(dispatch);
  if (source.maxRunsInFlight === 0) {
    const dispatched = await dispatchInWaves(source, job, runs, null, signal);
    // Of a time when there was a ceiling.
    await forgetSlotNotes(source, snapshot, signal);
    return { dispatched, wake: [] };
  }
  const mayHoldSlots = historiesOf(snapshot).some(({ seen }) => seen.claims.length > 0);
  if (runs.length === 0 && !mayHoldSlots) {
    await forgetSlotNotes(source, snapshot, signal);
    return { dispatched: 0, wake: [] };
  }
  const count = await slotCounter.counted();
  const { slots, waiters } = count;
  const released = await releaseSlots(source, snapshot, slots, signal);
  const taken = slots.filter((slot) => !released.includes(slot));
  source.observe?.('slots counted', { taken: countByEndpoint(taken) });
  const dispatched = await dispatchInWaves(source, job, runs, { ...count, slots: taken }, signal);
  // After the new ones, and after all that could go wrong: a job that waits is never without a note.
  await forgetSlotNotes(source, snapshot, signal);
  return { dispatched, wake: nextJobs(job, released, waiters, slots) };
}

/**
 * As many slots at a time as claims are begun at once: those of a consumer that is killed in between are lost to all for minutes.
 * `count` is `null` where there is no ceiling, and nobody needs a slot.
 */
async function dispatchInWaves(
  source: Reconciler,
  job: string,
  runs: readonly PlannedDispatch[][],
  count: SlotCount | null,
  signal?: AbortSignal,
): Promise<number> {
  const lacking = new Set<string>();
  const refusing = new Set<string>();
  const runsPerWave = count === null ? UNSLOTTED_RUNS_PER_WAVE : RUNS_AT_ONCE;
  let dispatched = 0;
  for (let at = 0; at < runs.length; at += runsPerWave) {
    const wave = runs
      .slice(at, at + runsPerWave)
      .filter((run) => !lacking.has(endpointOf(run)) && !refusing.has(endpointOf(run)));
    if (wave.length === 0) continue;
    // A big job is dispatched for minutes: whoever stops it meanwhile must not pay for the rest of a plan that is old by then.
    if (at > 0 && (await isStopped(source, job, signal))) break;
    if (count === null) {
      const unslotted = wave.map((items) => ({ items, slot: undefined }));
      dispatched += await dispatchAll(source, job, unslotted, refusing, signal);
      continue;
    }
    const slotted = await takeSlots(source, job, wave, count, signal);
    for (const endpoint of slotted.lacking) {
      lacking.add(endpoint);
      const since = count.waiters.find((waiter) => waiter.job === job && waiter.endpoint === endpoint)?.sinceMs ?? source.now();
      await writeNote(source, job, since, `${source.maxRunsInFlight} runs of ${endpoint} are in flight`, { slotOf: endpoint });
    }
    dispatched += await dispatchAll(source, job, slotted.runs, refusing, signal);
  }
  return dispatched;
}

async function isStopped({ store, layout }: Reconciler, job: string, signal?: AbortSignal): Promise<boolean> {
  return (await store.head(layout.jobKey(job, 'cancel.json'), signal)) !== null;
}

/** As many others as slots were given back. */
function nextJobs(
  job: string,
  released: readonly TakenSlot[],
  waiters: readonly Waiter[],
  slots: readonly TakenSlot[],
): readonly string[] {
  const others = waiters.filter((waiter) => waiter.job !== job);
  const endpoints = new Set(released.map(({ endpoint }) => endpoint));
  const next = [...endpoints].flatMap((endpoint) => {
    const freed = released.filter((slot) => slot.endpoint === endpoint).length;
    return lineOf(endpoint, others, slots).slice(0, freed);
  });
  return [...new Set(next)];
}

/** Those that this reconcile had listed before it began to look at the rest. */
async function forgetSlotNotes(source: Reconciler, { slotNotes }: Snapshot, signal?: AbortSignal): Promise<void> {
  await inParallel(CANCELS_AT_ONCE, slotNotes, (key) => source.store.delete(key, signal));
}

async function writeProblem(
  source: Reconciler,
  job: string,
  { name, code, keys, message, errors, fix }: PlannedProblem,
): Promise<void> {
  const problem: Problem = {
    version: 1,
    job,
    code,
    keys: [...keys],
    message,
    errors: [...errors],
    fix,
    found_at: new Date(source.now()).toISOString(),
  };
  source.log.warn({ job, code, keys, problem: message }, 'problem');
  const key = source.layout.problemKey(job, name);
  const created = await source.store.createIfAbsent(key, `${JSON.stringify(problem, null, 2)}\n`, {
    contentType: 'application/json',
  });
  if (created) source.observe?.('problem written', { code });
}

/**
 * An endpoint that has refused one run, or left it unanswered, would do so with the next: it becomes one of `refusing`, and the rest of the
 * job waits with it.
 */
async function dispatchAll(
  source: Reconciler,
  job: string,
  runs: readonly SlottedRun[],
  refusing: Set<string>,
  signal?: AbortSignal,
): Promise<number> {
  let dispatched = 0;
  const unbegun = new Set(runs);
  try {
    await inParallel(RUNS_AT_ONCE, runs, async (run) => {
      const endpoint = endpointOf(run.items);
      if (refusing.has(endpoint)) {
        unbegun.delete(run);
        return giveBack(source, run);
      }
      signal?.throwIfAborted();
      unbegun.delete(run);
      const outcome = await dispatchRun(source, job, run.items, signal);
      tellRun(source, run, outcome);
      if (outcome.kind !== 'dispatched' && outcome.kind !== 'uncertain') await giveBack(source, run);
      if (outcome.kind === 'refused' || outcome.kind === 'uncertain') refusing.add(endpoint);
      if (outcome.kind === 'dispatched') dispatched += outcome.items;
    });
  } catch (thrown) {
    await giveBackUnbegun(source, job, [...unbegun]);
    throw thrown;
  }
  return dispatched;
}

function tellRun({ observe }: Reconciler, { items }: SlottedRun, outcome: RunOutcome): void {
  const count = outcome.kind === 'dispatched' ? outcome.items : items.length;
  observe?.('run requested', { stage: items[0]?.stage ?? '', endpoint: endpointOf(items), items: count, outcome: outcome.kind });
}

/** Groups items of one stage into runs of as many as the stage allows. */
function intoRuns(items: readonly PlannedDispatch[]): PlannedDispatch[][] {
  const runs: PlannedDispatch[][] = [];
  const filling = new Map<string, PlannedDispatch[]>();
  for (const item of items) {
    const open = filling.get(item.stage);
    if (open !== undefined && open.length < item.graphStage.items_per_run) {
      open.push(item);
      continue;
    }
    const run = [item];
    filling.set(item.stage, run);
    runs.push(run);
  }
  return runs;
}

/** Cancels what nobody wants any more, and records it. A run that also carries wanted items goes on for them. */
async function cancelUnwanted(source: Reconciler, { plan, snapshot }: PlannedJob, signal?: AbortSignal): Promise<number> {
  const unwanted = new Set(plan.cancel.map(attemptId));
  const asked = new Map<string, Promise<void>>();
  const askOnce = ({ endpoint, run_id: runId }: Run): Promise<void> => {
    const answer = asked.get(runId) ?? source.dispatcher.cancel(endpoint, runId, signal);
    asked.set(runId, answer);
    return answer;
  };
  let cancelled = 0;
  await inParallel(CANCELS_AT_ONCE, plan.cancel, async (name) => {
    const run = await readRun(source, plan.job, name, signal);
    const isOpen = (attempt: AttemptName) => isOpenIn(snapshot, attempt);
    const others = (run?.attempts ?? []).map((attempt) => ({ ...attempt, stage: name.stage }));
    const wantedToo = others.some((other) => isOpen(other) && !unwanted.has(attemptId(other)));
    if (run !== null && !wantedToo) {
      try {
        await askOnce(run);
      } catch (error) {
        // Not recorded as cancelled, so the next look at this job tries again.
        source.log.warn(
          { job: plan.job, stage: name.stage, item: name.item, attempt: name.attempt, error },
          'a run could not be cancelled',
        );
        return;
      }
    }
    await writeResult(source, plan.job, name, 'cancelled', source.now(), run === null ? {} : { runId: run.run_id });
    source.log.debug({ job: plan.job, stage: name.stage, item: name.item, attempt: name.attempt }, 'cancelled');
    cancelled += 1;
  });
  // One line, not one for each of thousands of items.
  if (cancelled > 0) source.log.info({ job: plan.job, items: cancelled }, 'cancelled what nobody wants any more');
  return cancelled;
}

function isOpenIn(snapshot: PlannedJob['snapshot'], { stage, item, fingerprint, attempt }: AttemptName): boolean {
  const { results } = historyOf(snapshot, stage, item);
  return !results.some((seen) => seen.fingerprint === fingerprint && seen.attempt === attempt);
}

/** The record of the run that carries an attempt; `null` where none was written. */
export async function readRun(
  source: Pick<Reconciler, 'store' | 'layout'>,
  job: string,
  name: AttemptName,
  signal?: AbortSignal,
): Promise<Run | null> {
  return readDocument(source, source.layout.stateKey('runs', job, name), Run, signal);
}
