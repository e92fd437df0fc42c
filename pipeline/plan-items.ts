/** One stage's items: what each is made from, its fingerprint, and the state it is in. */
import { isJobKey, isReservedKey } from '../manifests/job-key.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type GraphStage, isPerItem } from './graph.ts';
import { type ItemState, itemState } from './item-state.ts';
import type { PlanContext } from './plan-context.ts';
import { type ResolvedInputs, resolveItemInputs } from './plan-inputs.ts';
import type { ItemPhase, LandedAttempt, PlannedDispatch, PlannedItem, ResolvedInput } from './plan-types.ts';
import { type ReferenceScope, referencesIn, substitute, substituteText, UnknownReference, wholeReference } from './references.ts';
import { historyOf, type Snapshot, versionOf } from './snapshot.ts';
import { findForeignUris } from './uri-policy.ts';

export interface StageItems {
  readonly items: readonly PlannedItem[];
  readonly dispatch: readonly PlannedDispatch[];
}

/** What is wrong with one item, in the words of whoever wrote the entry. */
export interface ItemProblem {
  readonly index: number;
  readonly code: 'OUTPUT_NOT_ALLOWED' | 'URI_NOT_ALLOWED' | 'REFERENCE_UNKNOWN';
  readonly expected: string;
  readonly found: string;
}

export const isProblems = (value: unknown): value is ItemProblem[] =>
  Array.isArray(value) && typeof value[0] === 'object' && value[0] !== null && 'code' in value[0];

export interface ItemSource {
  readonly stage: GraphStage;
  readonly manifest: unknown;
  /** One entry per item; a stage without for_each has one, `undefined`. */
  readonly entries: readonly unknown[];
  readonly inputs: ReadonlyMap<string, ResolvedInput>;
}

/** The output key of every item, or the first few items that cannot have one. */
export function outputKeys(context: PlanContext, { stage, manifest, entries }: ItemSource): string[] | ItemProblem[] {
  const keys: string[] = [];
  const problems: ItemProblem[] = [];
  const own = new Set<string>();
  const forbidden = controllingKeys(context, stage);
  for (const [index, item] of entries.entries()) {
    const key = outputKey(stage, { job: context.snapshot.job, index, item, manifest });
    if (typeof key !== 'string') {
      problems.push({ index, ...key });
      continue;
    }
    // What an external stage waits for may well be fetched by another one.
    const otherStage = stage.external === true ? undefined : context.producers.get(key)?.stage;
    const wrong = keyFault(key, own, forbidden, otherStage);
    if (wrong !== null) problems.push({ index, code: 'OUTPUT_NOT_ALLOWED', expected: wrong, found: JSON.stringify(key) });
    own.add(key);
    keys.push(key);
  }
  return problems.length > 0 ? problems : keys;
}

/** A stage may write a later one's manifest, but neither its own nor an earlier one's: each run would ask for the next, for ever. */
function controllingKeys({ stages }: PlanContext, stage: GraphStage): ReadonlySet<string> {
  const upToHere = stages.slice(0, stages.indexOf(stage) + 1);
  return new Set(['pipeline.json', 'cancel.json', ...upToHere.flatMap(({ manifest }) => manifest?.keys ?? [])]);
}

function outputKey(stage: GraphStage, scope: ReferenceScope): string | Pick<ItemProblem, 'code' | 'expected' | 'found'> {
  try {
    return substituteText(stage.output, scope);
  } catch (thrown) {
    if (!(thrown instanceof UnknownReference)) throw thrown;
    return { code: 'REFERENCE_UNKNOWN', expected: `a value for \${${thrown.reference}}, which output uses`, found: 'nothing' };
  }
}

function keyFault(
  key: string,
  own: ReadonlySet<string>,
  forbidden: ReadonlySet<string>,
  otherStage: string | undefined,
): string | null {
  if (!isJobKey(key)) return "a key inside the job's folder";
  if (isReservedKey(key)) return 'a key outside results/, problems/ and webhooks/, which Millrace writes itself';
  if (forbidden.has(key)) return 'a key that is not one of the manifests that control this job';
  if (own.has(key)) return 'a key that no other item of the stage writes';
  return otherStage === undefined ? null : `a key that ${otherStage} does not write`;
}

/** Plans items whose shared inputs are all there. `outputs` are their keys, in item order. */
export function planItems(context: PlanContext, source: ItemSource, outputs: readonly string[]): StageItems | ItemProblem[] {
  const items: PlannedItem[] = [];
  const dispatch: PlannedDispatch[] = [];
  const problems: ItemProblem[] = [];
  const shared = {
    uris: inputUris(context.snapshot, source.inputs),
    versions: inputVersions(source.stage, source.inputs),
    hasItemInputs: Object.values(source.stage.inputs ?? {}).some(isPerItem),
    isOutput: createIsOutput(outputs),
  };
  for (const index of source.entries.keys()) {
    const planned = planItemOrRefuse(context, source, shared, index, outputs[index] ?? '');
    if (planned.kind === 'problem') problems.push(planned.problem);
    else {
      items.push(planned.item);
      if (planned.dispatch !== null) dispatch.push(planned.dispatch);
    }
  }
  return problems.length > 0 ? problems : { items, dispatch };
}

type PlannedOne =
  | { readonly kind: 'problem'; readonly problem: ItemProblem }
  | { readonly kind: 'item'; readonly item: PlannedItem; readonly dispatch: PlannedDispatch | null };

/** What all items share: a fan-in over thousands is gone through once, not once per item. */
interface SharedByItems {
  readonly uris: Readonly<Record<string, unknown>>;
  readonly versions: readonly (readonly [string, string])[];
  /** False where no item has inputs of its own. */
  readonly hasItemInputs: boolean;
  /** Whether a key is one that the stage itself writes. */
  readonly isOutput: (key: string) => boolean;
}

/** Made when it is first asked: most stages name no URIs, and a set of a hundred thousand keys takes its time and memory. */
function createIsOutput(outputs: readonly string[]): SharedByItems['isOutput'] {
  let keys: ReadonlySet<string> | undefined;
  return (key) => {
    keys ??= new Set(outputs);
    return keys.has(key);
  };
}

const NO_INPUTS: ResolvedInputs = { inputs: new Map(), missing: [], blocked: false, anyThere: false };

function planItemOrRefuse(...[context, source, shared, index, outputKey]: Parameters<typeof planItem>): PlannedOne {
  try {
    return planItem(context, source, shared, index, outputKey);
  } catch (thrown) {
    if (!(thrown instanceof UnknownReference)) throw thrown;
    const expected = `a value for \${${thrown.reference}}, which the parameters use`;
    return { kind: 'problem', problem: { index, code: 'REFERENCE_UNKNOWN', expected, found: 'nothing' } };
  }
}

function planItem(context: PlanContext, source: ItemSource, shared: SharedByItems, index: number, outputKey: string): PlannedOne {
  const { snapshot } = context;
  const { stage, manifest, entries } = source;
  const entry = entries[index];
  const item = String(index);
  const common = { stage: stage.name, item, outputKey, fanOut: stage.for_each !== undefined };
  const scope = { job: snapshot.job, index, item: entry, manifest };
  const own = shared.hasItemInputs ? resolveItemInputs(context, stage, scope) : NO_INPUTS;
  const foreign = findForeignUris(context, scope, stage, shared.isOutput);
  if (foreign.kind === 'refused') {
    const { expected, found } = foreign;
    return { kind: 'problem', problem: { index, code: 'URI_NOT_ALLOWED', expected, found } };
  }
  const missing = own.missing[0] ?? (foreign.missing === null ? undefined : `${foreign.missing} is not there`);
  if (missing !== undefined) {
    context.producers.set(outputKey, { stage: stage.name, item, done: false, fingerprint: null });
    return { kind: 'item', item: { ...common, fingerprint: '', phase: 'waiting', why: missing, attempt: 0 }, dispatch: null };
  }
  const hasOwn = own.inputs.size > 0;
  const inputs = hasOwn ? new Map([...source.inputs, ...own.inputs]) : source.inputs;
  const uris = hasOwn ? { ...shared.uris, ...inputUris(snapshot, own.inputs) } : shared.uris;
  const template = stage.task === undefined ? withoutOutput(stage.payload) : (stage.parameters ?? {});
  const fingerprint = fingerprintOf({
    task: stage.task ?? `endpoint:${stage.endpoint}`,
    parameters: substitute(template, { ...scope, inputs: uris }),
    outputUri: snapshot.folderUri + outputKey,
    versions:
      hasOwn || foreign.versions.length > 0
        ? [...shared.versions, ...inputVersions(stage, own.inputs), ...foreign.versions]
        : shared.versions,
  });
  const history = historyOf(snapshot, stage.name, item);
  const output = snapshot.objects.get(outputKey);
  const name = { stage: stage.name, item, fingerprint };
  const state = itemState({
    ...name,
    output,
    history,
    maxAttempts: stage.max_attempts,
    retryDelayMs: stage.retry_delay_sec * 1000,
    nowMs: context.nowMs,
    marksOutputs: stage.task !== undefined,
    facts: snapshot.facts,
  });
  noteNeeds(context, state, { ...name, outputKey });
  const done = state.kind === 'done' || state.kind === 'landed';
  const ownerMade = state.kind === 'done' && state.ownerMade;
  context.producers.set(outputKey, { stage: stage.name, item, done, fingerprint: ownerMade ? null : fingerprint });
  const planned = { ...common, fingerprint, ...phaseOf(state) };
  if (state.kind !== 'dispatch') return { kind: 'item', item: planned, dispatch: null };
  const { attempt, why } = state;
  const refusals = history.results.filter((seen) => seen.status === 'refused' && seen.fingerprint === fingerprint).length;
  const made = { index, outputKey, entry, manifest, inputs, graphStage: stage };
  return { kind: 'item', item: planned, dispatch: { ...name, attempt, why, refusals, ...made } };
}

function noteNeeds(context: PlanContext, state: ItemState, name: Omit<LandedAttempt, 'attempt'>): void {
  if (state.kind === 'needs-mark') context.marks.set(state.version.key, state.version);
  if (state.kind === 'needs-failure') context.failures.push({ ...name, attempt: state.attempt });
  if (state.kind === 'landed') context.landed.push({ ...name, attempt: state.attempt });
  if (state.kind === 'retrying') context.retryTimesMs.push(state.notBeforeMs);
}

function phaseOf(state: ItemState): { phase: ItemPhase; why: string; attempt: number } {
  switch (state.kind) {
    case 'done':
      return { phase: 'done', why: state.ownerMade ? 'put there by hand' : '', attempt: 0 };
    case 'landed':
      return { phase: 'done', why: '', attempt: state.attempt };
    case 'running':
      return { phase: 'running', why: '', attempt: state.attempt };
    case 'dispatch':
    case 'failed':
      return { phase: state.kind, why: state.why, attempt: state.attempt };
    case 'retrying':
      return {
        phase: 'retrying',
        why: `${state.why}; again at ${new Date(state.notBeforeMs).toISOString()}`,
        attempt: state.attempt,
      };
    case 'removed':
      return { phase: 'removed', why: 'its output was made and is gone; retry makes it again', attempt: state.attempt };
    default:
      return { phase: 'unknown', why: 'more must be read to tell', attempt: 0 };
  }
}

function inputUris(snapshot: Snapshot, inputs: ReadonlyMap<string, ResolvedInput>): Record<string, unknown> {
  const uris = [...inputs].map(([name, { many, objects }]) => {
    const all = objects.map(({ key }) => snapshot.folderUri + key);
    return [name, many ? all : all[0]] as const;
  });
  return Object.fromEntries(uris);
}

/** A document that only for_each reads does not enter: its entries do, one by one, so that one changed entry reruns one item. */
function inputVersions(stage: GraphStage, inputs: ReadonlyMap<string, ResolvedInput>): (readonly [string, string])[] {
  if (inputs.size === 0) return [];
  const used = new Set(referencesIn([stage.parameters, stage.payload]).map((reference) => reference.split('.')[1]));
  const list = wholeReference(stage.for_each ?? '')?.split('.');
  const onlyListed = list?.[0] === 'inputs' && !used.has(list[1]) ? list[1] : undefined;
  return [...inputs].filter(([name]) => name !== onlyListed).map(([name, { version }]) => [name, version] as const);
}

/** `${output}` is a presigned URL at dispatch and has no place in a fingerprint; the output's URI is in it already. */
function withoutOutput(payload: unknown): unknown {
  if (typeof payload === 'string') return payload.replaceAll('${output}', '');
  if (Array.isArray(payload)) return payload.map(withoutOutput);
  if (typeof payload === 'object' && payload !== null) {
    return Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, withoutOutput(value)]));
  }
  return payload;
}

/** What lies at an external stage's key, unless one of ours is still making it. */
export function externalOutput(context: PlanContext, key: string): ObjectInfo | undefined {
  return context.producers.get(key)?.done === false ? undefined : context.snapshot.objects.get(key);
}

/** Items of an external stage: something else makes them, and nothing is known of them but their outputs. */
export function planExternalItems(context: PlanContext, stage: GraphStage, outputs: readonly string[]): PlannedItem[] {
  return outputs.map((key, index) => {
    const object = externalOutput(context, key);
    return {
      stage: stage.name,
      item: String(index),
      phase: object === undefined ? 'external' : 'done',
      why: object === undefined ? 'to be made elsewhere' : '',
      outputKey: key,
      fingerprint: object === undefined ? '' : versionOf(object),
      attempt: 0,
      fanOut: stage.for_each !== undefined,
    } as const;
  });
}
