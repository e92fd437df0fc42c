/** A job as the API shows it, read off its plan. Pure; bounded whatever the size of the job. */

import { createHash } from 'node:crypto';
import { costDocument, type JobCost } from '../pipeline/cost.ts';
import { feeds, type GraphStage } from '../pipeline/graph.ts';
import { historiesOf } from '../pipeline/history.ts';
import type { PlannedJob } from '../pipeline/job-plan.ts';
import { countItems, jobState } from '../pipeline/job-state.ts';
import type { Plan, PlannedItem } from '../pipeline/plan-types.ts';
import type { Snapshot } from '../pipeline/snapshot.ts';
import { type JobView, MAX_ATTENTION } from './documents/job.ts';
import type { JobSummary } from './documents/jobs.ts';
import { fileView, isoTime, itemView } from './item-view.ts';
import { jobHref } from './links.ts';

const MAX_FILES = 100;
const ENDED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled']);

/** True where the bucket knows nothing of such a job. */
export function isNoJob({ objects, history, problems }: Snapshot): boolean {
  return objects.size === 0 && history.size === 0 && problems.size === 0;
}

/** `cost` is null where it was not read. */
export function jobView(planned: PlannedJob, cost: JobCost | null): JobView {
  const { plan, snapshot, graph } = planned;
  const { job, stages, problems, stopped } = plan;
  const state = jobState(plan);
  const outputs = new Set(stages.flatMap(({ items }) => items.map(({ outputKey }) => outputKey)));
  const self = jobHref(job);
  return {
    job_id: job,
    state,
    // A cancelled job's runs may still be stopping.
    ended: ENDED.has(state) && plan.cancel.length === 0,
    held_until: stopped === 'held' ? isoTime(snapshot.heldUntilMs) : null,
    waits_for_slots: snapshot.slotNotes.length > 0,
    cancelled: stopped === 'cancelled',
    revision: revisionOf(planned),
    ...timesOf(snapshot),
    counts: countAll(plan),
    cost: cost === null ? null : costDocument(cost),
    stages: stages.map((stage) => ({
      name: stage.name,
      phase: stage.phase,
      why: stage.why,
      ...graphView(graph.stages, stage.name),
      counts: countItems(stage),
    })),
    problems: problems.map(({ code, keys, message, errors, fix }) => ({
      ...{ code, message, fix },
      keys: [...keys],
      errors: [...errors],
    })),
    attention: needing(plan).map((item) => itemView(planned, item)),
    files: [...snapshot.objects.values()]
      .filter(({ key }) => !outputs.has(key))
      .slice(0, MAX_FILES)
      .map((object) => fileView(snapshot, object)),
    links: {
      self,
      events: `${self}/events`,
      retry: `${self}/retry`,
      cancel: `${self}/cancel`,
      resume: `${self}/resume`,
      files: `${self}/files/`,
    },
  };
}

export function jobSummary({ plan, snapshot }: PlannedJob): JobSummary {
  const self = jobHref(plan.job);
  return {
    job_id: plan.job,
    state: jobState(plan),
    counts: countAll(plan),
    problems: plan.problems.length,
    ...timesOf(snapshot),
    links: { self, events: `${self}/events` },
  };
}

function countAll({ stages }: Plan): JobSummary['counts'] {
  return countItems({ name: '', phase: 'active', why: '', items: stages.flatMap(({ items }) => items) });
}

/** What somebody must see to: what failed before what is gone. */
function needing({ stages }: Plan): PlannedItem[] {
  const of = (phase: PlannedItem['phase']) => stages.flatMap(({ items }) => items.filter((item) => item.phase === phase));
  return [...of('failed'), ...of('removed')].slice(0, MAX_ATTENTION);
}

function graphView(stages: readonly GraphStage[], name: string) {
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) return { description: null, maker: 'external', after: [], output_key: '' };
  const { description = null, task, endpoint, output } = stage;
  const before = stages.slice(0, stages.indexOf(stage)).filter((upstream) => feeds(upstream, stage));
  const maker = task ?? (endpoint === undefined ? 'external' : `endpoint:${endpoint}`);
  return { description, maker, after: before.map((upstream) => upstream.name), output_key: output };
}

function timesOf(snapshot: Snapshot): { created_at: string | null; updated_at: string | null } {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const note = ({ lastModifiedMs }: { readonly lastModifiedMs: number }) => {
    first = Math.min(first, lastModifiedMs);
    last = Math.max(last, lastModifiedMs);
  };
  for (const object of snapshot.objects.values()) note(object);
  for (const { seen } of historiesOf(snapshot)) for (const one of [...seen.results, ...seen.claims]) note(one);
  return Number.isFinite(first)
    ? { created_at: isoTime(first), updated_at: isoTime(last) }
    : { created_at: null, updated_at: null };
}

const REVISION_CHARACTERS = 20;

/** Of all that can change in the view and in any item. Of the cost it is that there are more results: whether they were read is another matter. */
function revisionOf({ plan, snapshot }: PlannedJob): string {
  const hash = createHash('sha256');
  const add = (...parts: readonly unknown[]) => hash.update(JSON.stringify(parts));
  add(plan.stopped, snapshot.heldUntilMs, snapshot.slotNotes.length, plan.cancel.length);
  add(plan.problems.map(({ name }) => name));
  for (const { name, phase, why, items } of plan.stages) {
    add(name, phase, why);
    for (const item of items) add(item.phase, item.attempt, item.why);
  }
  add(historiesOf(snapshot).reduce((total, { seen }) => total + seen.results.length, 0));
  for (const { key, etag, lastModifiedMs } of snapshot.objects.values()) add(key, etag, lastModifiedMs);
  return hash.digest('hex').slice(0, REVISION_CHARACTERS);
}
