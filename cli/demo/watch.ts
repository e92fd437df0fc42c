/** Looks at the demo's jobs again and again until all of them are done, or one has failed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobPlanner, type PlannedJob, planJob } from '../../pipeline/job-plan.ts';
import { jobState } from '../../pipeline/job-state.ts';
import type { Plan } from '../../pipeline/plan-types.ts';

const INTERVAL_MS = 500;

export interface WatchOptions {
  readonly planner: JobPlanner;
  readonly jobs: readonly string[];
  /** Called with every look at all the jobs. */
  readonly onLook: (jobs: readonly PlannedJob[]) => void;
  /** Bounds the watching; once it is aborted, its reason is thrown. */
  readonly signal: AbortSignal;
}

/** The last look at each job: all of them done, or some failed. */
export async function watchJobs({ planner, jobs, onLook, signal }: WatchOptions): Promise<readonly PlannedJob[]> {
  for (;;) {
    const looks = await Promise.all(jobs.map((job) => planJob(planner, job, signal)));
    onLook(looks);
    const states = looks.map(({ plan }) => jobState(plan));
    if (states.every((state) => state === 'done')) return looks;
    if (states.some((state) => state === 'failed' || state === 'cancelled')) return looks;
    await sleep(INTERVAL_MS, undefined, { signal });
  }
}

/** What is not done yet, and why: a line for each problem, and for each stage and reason. */
export function missingLines(plan: Plan): string[] {
  const problems = plan.problems.map(({ message }) => `${plan.job} problem: ${message}`);
  return [...problems, ...missingItemLines(plan)];
}

function missingItemLines(plan: Plan): string[] {
  if (plan.stages.every(({ phase }) => phase === 'off')) return [`${plan.job}: nothing that a stage reads is there`];
  return plan.stages.flatMap(({ name, phase, why, items }) => {
    if (phase === 'off') return [];
    if (items.length === 0) return [`${plan.job} ${name}: ${phase}: ${why}`];
    const groups = new Map<string, string[]>();
    for (const item of items) {
      if (item.phase === 'done') continue;
      const reason = item.why === '' ? item.phase : `${item.phase}: ${item.why}`;
      groups.set(reason, [...(groups.get(reason) ?? []), item.item]);
    }
    return [...groups].map(([reason, names]) => `${plan.job} ${name}/${names.join(',')}: ${reason}`);
  });
}
