/** What stands between an item and its end that its own attempts do not tell: the job's holds, slots, cancellation, other stages. */

import { Cancel } from '../manifests/cancel.ts';
import { WaitingNote } from '../manifests/state.ts';
import { historiesOf, historyOf } from './history.ts';
import type { PlannedJob } from './job-plan.ts';
import { parseWaitingName } from './layout.ts';
import type { PlannedItem, PlannedStage } from './plan-types.ts';
import { readDocument } from './read-document.ts';
import { attemptId } from './snapshot.ts';
import type { ListingSource } from './take-listing.ts';

/** An event takes seconds to its dispatch; after minutes somebody has to look. */
const UNSEEN_AFTER_MS = 120_000;
/** More of another stage's items are counted. */
const MAX_ITEMS_NAMED = 5;

/** Sentences, each for itself; none where the item's own story says all. */
export async function tellCircumstances(
  source: ListingSource,
  planned: PlannedJob,
  item: PlannedItem,
  nowMs: number,
  signal?: AbortSignal,
): Promise<string[]> {
  switch (item.phase) {
    case 'held':
      return notesOf(source, planned, 'hold', signal);
    case 'dispatch':
      return planned.snapshot.slotNotes.length > 0 ? notesOf(source, planned, 'slot', signal) : unseen(planned, nowMs);
    case 'running':
      return unrecorded(planned, item, nowMs);
    case 'cancelled':
      return cancelReason(source, planned, signal);
    case 'waiting':
      return unfinished(planned, item);
    default:
      return [];
  }
}

/** Why the plan has no such item, and what to do where something is to be done: the stage is unknown, off, waits, is blocked, or has fewer. */
export function whyNoItem(planned: PlannedJob, stageName: string, item: string): { readonly why: string; readonly fix?: string } {
  const { job, stages } = planned.plan;
  const stage = stages.find(({ name }) => name === stageName);
  if (stage === undefined) {
    const known = stages.map(({ name }) => name).join(', ') || 'none, because its pipeline.json cannot be used';
    return { why: `${job} has no stage ${JSON.stringify(stageName)}`, fix: `Its stages are ${known}.` };
  }
  const { why, ...fix } = whyNotInStage(planned, stage, item);
  return { why: `${job} has no ${stageName}/${item}: ${why}`, ...fix };
}

function whyNotInStage(
  { plan, graph, snapshot }: PlannedJob,
  stage: PlannedStage,
  item: string,
): { readonly why: string; readonly fix?: string } {
  const keys = graph.stages.find(({ name }) => name === stage.name)?.manifest?.keys ?? [];
  const manifest = keys.find((key) => snapshot.objects.has(key));
  if (stage.items.length === 0) {
    const problem = plan.problems.find((each) => each.keys.some((key) => keys.includes(key)));
    const why = `${stage.name} is ${stage.phase}: ${stage.why}`;
    return problem === undefined ? { why } : { why, fix: problem.fix };
  }
  const last = stage.items.length - 1;
  const range = last === 0 ? `${stage.name} has one item, 0` : `the items of ${stage.name} are 0 to ${last}`;
  const { claims, results } = historyOf(snapshot, stage.name, item);
  const before = claims.length + results.length > 0 ? '; it was worked on when there were more' : '';
  if (manifest === undefined) return { why: `${range}${before}` };
  return { why: `${range}, as ${manifest} lists them${before}`, fix: `Add it to ${manifest} and write that again.` };
}

/** The notes of one kind, in their writers' words. */
async function notesOf(
  source: ListingSource,
  { plan, snapshot }: PlannedJob,
  kind: 'hold' | 'slot',
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const prefix = source.layout.statePrefixOf('waiting', plan.job);
  const found: string[] = [];
  for await (const page of source.store.list(prefix, signal === undefined ? {} : { signal })) {
    for (const { key } of page) {
      const name = parseWaitingName(key.slice(prefix.length));
      if (name === null) continue;
      const at = new Date(name.atMs).toISOString();
      if (kind === 'slot' && typeof name.kind !== 'string') {
        const { slotOf } = name.kind;
        found.push(
          `The job has waited for a slot of the endpoint ${slotOf} since ${at}: as many of its runs are in flight as MILLRACE_MAX_RUNS_IN_FLIGHT allows.`,
        );
      }
      if (kind === 'hold' && name.kind === 'hold' && name.atMs === snapshot.heldUntilMs) {
        const note = await readDocument(source, key, WaitingNote, signal);
        found.push(`The whole job is held back until ${at}${note === null ? '' : `: ${note.reason}`}.`);
      }
    }
  }
  return [...new Set(found)].slice(0, MAX_ITEMS_NAMED);
}

/** Work that nobody took up: the event never came, or nobody receives. */
function unseen({ snapshot, plan }: PlannedJob, nowMs: number): string[] {
  const newest = [...snapshot.objects.values()].toSorted((a, b) => b.lastModifiedMs - a.lastModifiedMs)[0];
  if (newest === undefined || nowMs - newest.lastModifiedMs < UNSEEN_AFTER_MS) return [];
  const minutes = Math.floor((nowMs - newest.lastModifiedMs) / 60_000);
  const since = `Nobody has taken this up, and the newest object of the job, ${newest.key}, was written ${minutes} minutes ago`;
  const never = historiesOf(snapshot).every(({ seen: { claims, results } }) => claims.length + results.length === 0);
  const events = never
    ? 'No consumer has ever worked on this job: its events never arrived, or no consumer runs'
    : 'Its event was lost, or no consumer runs';
  return [`${since}. ${events}: millrace doctor says which. At once: millrace reconcile ${plan.job}`];
}

/** An attempt whose claim is there and whose run is not. */
function unrecorded({ snapshot, graph }: PlannedJob, item: PlannedItem, nowMs: number): string[] {
  const { claims, runs, results } = historyOf(snapshot, item.stage, item.item);
  const id = (seen: { fingerprint: string; attempt: number }) => attemptId({ stage: item.stage, item: item.item, ...seen });
  const known = new Set([...runs, ...results].map(id));
  const claim = claims.find((each) => each.fingerprint === item.fingerprint && !known.has(id(each)));
  if (claim === undefined) return [];
  const patienceSeconds = graph.stages.find(({ name }) => name === item.stage)?.patience_sec ?? 0;
  const ageSeconds = Math.max(0, Math.round((nowMs - claim.lastModifiedMs) / 1000));
  return [
    `It was claimed ${ageSeconds} s ago and no run is recorded: RunPod's answer was lost, or the consumer was stopped in between. A run may be there all the same; the sweep settles it once the claim is ${patienceSeconds} s old.`,
  ];
}

async function cancelReason(source: ListingSource, { plan }: PlannedJob, signal: AbortSignal | undefined): Promise<string[]> {
  const cancel = await readDocument(source, source.layout.jobKey(plan.job, 'cancel.json'), Cancel, signal);
  return cancel?.reason === undefined ? [] : [`cancel.json says why: ${cancel.reason}`];
}

/** The items of other stages that this one's stage waits for. */
function unfinished({ plan, graph }: PlannedJob, item: PlannedItem): string[] {
  const inputs = Object.values(graph.stages.find(({ name }) => name === item.stage)?.inputs ?? {});
  return inputs.flatMap((input) => {
    if (!('stage' in input)) return [];
    const open = plan.stages.find(({ name }) => name === input.stage)?.items.filter(({ phase }) => phase !== 'done') ?? [];
    if (open.length === 0) return [];
    const named = open.slice(0, MAX_ITEMS_NAMED).map((each) => `${input.stage}/${each.item} is ${each.phase}`);
    const more = open.length > MAX_ITEMS_NAMED ? `, and ${open.length - MAX_ITEMS_NAMED} more` : '';
    return [`It waits for ${open.length} of ${input.stage}: ${named.join(', ')}${more}.`];
  });
}
