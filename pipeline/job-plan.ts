/** Plans one job: takes the listing, chooses the graph, and fetches facts until the plan needs no more. */
import { MillraceError } from '../errors.ts';
import { fieldError } from '../manifests/field-errors.ts';
import { type Parsed, parseValue } from '../manifests/parse.ts';
import { Pipeline } from '../manifests/pipeline.ts';
import type { FactStore, FetchedFacts } from './facts.ts';
import { createGraph, type Graph } from './graph.ts';
import { openAttempts, plan as planGraph } from './plan.ts';
import { addProblem, createContext, documentOf } from './plan-context.ts';
import { addManifestProblem, findWebhooks } from './plan-manifest.ts';
import { needsNothing, type Plan, type PlanSettings } from './plan-types.ts';
import type { Facts, Snapshot } from './snapshot.ts';
import { type ListingSource, takeListing } from './take-listing.ts';

export interface JobPlanner extends ListingSource {
  /** The deployment's graph: the built-in one unless the operator brings another. */
  readonly graph: Graph;
  readonly settings: PlanSettings;
  readonly facts: FactStore;
  readonly now: () => number;
}

export interface PlannedJob {
  readonly plan: Plan;
  /** The deployment's, or the job's own; without stages where the job's own cannot be used. */
  readonly graph: Graph;
  /** What it was planned from. */
  readonly snapshot: Snapshot;
}

/** Every round may show that one more stage's document, marks or failures are needed; a graph has at most 64 stages, and their chunks. */
const MAX_ROUNDS = 3 * 2 * 64 + 2;
/** Objects that change while they are read make the listing stale: list again, a few times. */
const MAX_LISTINGS = 4;

/**
 * Reads the bucket and writes nothing. `whileReading` is called when the listing does not tell enough: something is new, and what will be needed
 * next can be asked for meanwhile.
 */
export async function planJob(
  planner: JobPlanner,
  job: string,
  signal?: AbortSignal,
  whileReading?: () => void,
): Promise<PlannedJob> {
  for (let listings = 1; ; listings += 1) {
    try {
      return await planFromListing(planner, job, signal, whileReading);
    } catch (thrown) {
      const stale = thrown instanceof MillraceError && thrown.code === 'SOURCE_CHANGED';
      if (!stale || listings === MAX_LISTINGS) throw thrown;
    }
  }
}

async function planFromListing(
  planner: JobPlanner,
  job: string,
  signal: AbortSignal | undefined,
  whileReading: (() => void) | undefined,
): Promise<PlannedJob> {
  const listing = await takeListing(planner, job, planner.now(), signal);
  let facts = planner.facts.of(job);
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    const snapshot = { ...listing, facts };
    const { plan, graph } = planSnapshot(planner, snapshot);
    if (needsNothing(plan.needs)) return { plan, graph, snapshot };
    whileReading?.();
    facts = withFetched(facts, await planner.facts.fetch(job, plan.needs, signal));
  }
  throw new MillraceError('INTERNAL', `the plan of ${job} still needs facts after ${MAX_ROUNDS} rounds`, { context: { job } });
}

/** What this plan has fetched stays with it: its job may have more failures than one process remembers. */
function withFetched(known: Facts, fetched: FetchedFacts): Facts {
  return {
    documents: { get: (id) => fetched.documents.get(id) ?? known.documents.get(id) },
    // `null` is an answer here: an output without a mark.
    marks: { get: (id) => (fetched.marks.has(id) ? fetched.marks.get(id) : known.marks.get(id)) },
    failures: { get: (id) => fetched.failures.get(id) ?? known.failures.get(id) },
  };
}

/** The pure part: chooses the graph and plans. A job with a wrong pipeline.json of its own does nothing at all. */
export function planSnapshot(
  { graph, settings, now }: Pick<JobPlanner, 'graph' | 'settings' | 'now'>,
  snapshot: Snapshot,
): Omit<PlannedJob, 'snapshot'> {
  const chosen = chooseGraph(graph, snapshot, settings);
  return 'plan' in chosen ? chosen : { plan: planGraph(chosen, snapshot, settings, now()), graph: chosen };
}

function chooseGraph(graph: Graph, snapshot: Snapshot, settings: PlanSettings): Graph | Omit<PlannedJob, 'snapshot'> {
  const own = snapshot.objects.get('pipeline.json');
  if (own === undefined) return graph;
  const context = createContext(snapshot, settings, 0);
  const stop = (): Omit<PlannedJob, 'snapshot'> => {
    const webhooks = findWebhooks(context);
    const needs = { documents: [...context.documents.values()], marks: [], failures: [] };
    const isCancelled = snapshot.objects.has('cancel.json');
    const cancel = isCancelled ? openAttempts(snapshot) : [];
    const stopped = isCancelled ? 'cancelled' : null;
    const nothing = { stages: [], dispatch: [], landed: [], retryAtMs: null };
    return {
      plan: { job: snapshot.job, ...nothing, cancel, problems: context.problems, webhooks, needs, stopped },
      graph: { name: '', stages: [] },
    };
  };
  if (!settings.jobPipelines) {
    addProblem(context, 'JOB_PIPELINE_DISABLED', [own], 'pipeline.json: this deployment runs its own pipeline only.', {
      fix: 'Delete pipeline.json, or ask the operator to set MILLRACE_JOB_PIPELINES=true.',
    });
    return stop();
  }
  const document = documentOf(context, own);
  if (document === null) return stop();
  const outcome = graphOnce(document);
  if (!outcome.ok) {
    addManifestProblem(context, own, outcome.code, outcome.errors);
    return stop();
  }
  for (const { name, endpoint } of outcome.value.stages) {
    if (endpoint === undefined || settings.endpoints.includes(endpoint)) continue;
    const known = settings.endpoints.join(', ') || 'none is named';
    const error = fieldError(
      `stages.${name}.endpoint`,
      `an endpoint that the settings name (${known})`,
      JSON.stringify(endpoint),
    );
    addProblem(context, 'ENDPOINT_NOT_ALLOWED', [own], `pipeline.json: ${error.text}`, {
      errors: [error],
      fix: 'Ask the operator to name it in MILLRACE_ENDPOINTS.',
    });
    return stop();
  }
  return outcome.value;
}

const graphs = new WeakMap<Parsed<unknown>, Parsed<Graph>>();

function graphOnce(document: Parsed<unknown>): Parsed<Graph> {
  if (!document.ok) return document;
  const known = graphs.get(document) ?? graphOf(document.value);
  graphs.set(document, known);
  return known;
}

function graphOf(json: unknown): Parsed<Graph> {
  const pipeline = parseValue(Pipeline, json);
  if (!pipeline.ok) return pipeline;
  const outcome = createGraph(pipeline.value);
  return outcome.ok ? { ok: true, value: outcome.graph } : outcome;
}
