/** Looks at one job again: plans it and carries the plan out. Level-triggered: which event asked for it does not matter. */
import { text } from 'node:stream/consumers';
import { parseDocument } from '../manifests/parse.ts';
import type { Problem } from '../manifests/problem.ts';
import { Run } from '../manifests/state.ts';
import { dispatchRun, type RunDispatcher } from './dispatch-run.ts';
import { type JobPlanner, type PlannedJob, planJob } from './job-plan.ts';
import type { AttemptName } from './layout.ts';
import { inParallel } from './parallel.ts';
import type { Plan, PlannedDispatch, PlannedProblem } from './plan-types.ts';
import { writeResult } from './results.ts';
import { attemptId } from './snapshot.ts';

export interface Reconciler extends JobPlanner, RunDispatcher {}

export interface ReconcileReport {
  readonly job: string;
  readonly dispatched: number;
  readonly cancelled: number;
  readonly problems: number;
  /** What the plan said, before it was carried out. */
  readonly plan: Plan;
}

const RUNS_AT_ONCE = 8;
const CANCELS_AT_ONCE = 4;

/**
 * Throws where the bucket could not be read or written: whoever asked must ask again. RunPod's refusals do not throw:
 * they are noted in the bucket, and the sweep takes the job up again. Aborting stops between two effects.
 */
export async function reconcile(source: Reconciler, job: string, signal?: AbortSignal): Promise<ReconcileReport> {
  const planned = await planJob(source, job, signal);
  const { plan } = planned;
  const problems = plan.problems.filter(({ known }) => !known);
  for (const problem of problems) await writeProblem(source, job, problem);
  for (const landed of plan.landed) {
    const output = { output_uri: planned.snapshot.folderUri + landed.outputKey };
    await writeResult(source, job, landed, 'succeeded', source.now(), { output });
  }
  const cancelled = await cancelUnwanted(source, planned, signal);
  const dispatched = await dispatchAll(source, job, plan.dispatch, signal);
  return { job, dispatched, cancelled, problems: problems.length, plan };
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
  await source.store.createIfAbsent(source.layout.problemKey(job, name), `${JSON.stringify(problem, null, 2)}\n`, {
    contentType: 'application/json',
  });
}

async function dispatchAll(
  source: Reconciler,
  job: string,
  items: readonly PlannedDispatch[],
  signal?: AbortSignal,
): Promise<number> {
  let dispatched = 0;
  // An endpoint that has refused one run, or left it unanswered, would do so with the next: the rest of the job waits with it.
  const refusing = new Set<string | undefined>();
  await inParallel(RUNS_AT_ONCE, intoRuns(items), async (run) => {
    const endpoint = run[0]?.graphStage.endpoint;
    if (refusing.has(endpoint)) return;
    signal?.throwIfAborted();
    const outcome = await dispatchRun(source, job, run, signal);
    if (outcome.kind === 'refused' || outcome.kind === 'uncertain') refusing.add(endpoint);
    if (outcome.kind === 'dispatched') dispatched += outcome.items;
  });
  return dispatched;
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
    source.log.info({ job: plan.job, stage: name.stage, item: name.item, attempt: name.attempt }, 'cancelled');
    cancelled += 1;
  });
  return cancelled;
}

function isOpenIn(snapshot: PlannedJob['snapshot'], { stage, item, fingerprint, attempt }: AttemptName): boolean {
  const history = snapshot.history.get(`${stage}/${item}`);
  return history?.results.some((seen) => seen.fingerprint === fingerprint && seen.attempt === attempt) !== true;
}

/** The record of the run that carries an attempt; `null` where none was written. */
export async function readRun(
  source: Pick<Reconciler, 'store' | 'layout'>,
  job: string,
  name: AttemptName,
  signal?: AbortSignal,
): Promise<Run | null> {
  const found = await source.store.get(source.layout.stateKey('runs', job, name), signal === undefined ? {} : { signal });
  if (found === null) return null;
  const parsed = parseDocument(Run, await text(found.body));
  return parsed.ok ? parsed.value : null;
}
