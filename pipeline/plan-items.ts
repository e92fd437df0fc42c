/** One stage's items: what each is made from, its fingerprint, and the state it is in. */
import type { ObjectInfo } from '../storage/object-store.ts';
import { canonicalTemplate } from './canonical-template.ts';
import { fingerprinter, fingerprintOf } from './fingerprint.ts';
import { type GraphStage, isPerItem } from './graph.ts';
import { type ItemHistory, NO_HISTORY, type StageHistory } from './history.ts';
import { type ItemState, itemState } from './item-state.ts';
import { type KnownFingerprints, knownFingerprints } from './known-fingerprints.ts';
import { type ItemProblem, type ItemSource, objectsAt } from './output-keys.ts';
import type { PlanContext } from './plan-context.ts';
import { type ResolvedInputs, resolveItemInputs } from './plan-inputs.ts';
import type { ItemPhase, PlannedDispatch, PlannedItem, ResolvedInput } from './plan-types.ts';
import type { StageProducers } from './producers.ts';
import { lookUp, type ReferenceScope, referencesIn, UnknownReference, wholeReference } from './references.ts';
import { type Snapshot, versionOf } from './snapshot.ts';
import { findForeignUris } from './uri-policy.ts';

export interface StageItems {
  readonly items: readonly PlannedItem[];
  readonly dispatch: readonly PlannedDispatch[];
}

/** Plans items whose shared inputs are all there. `outputs` are their keys, in item order. */
export function planItems(context: PlanContext, source: ItemSource, outputs: readonly string[]): StageItems | ItemProblem[] {
  const items: PlannedItem[] = [];
  const dispatch: PlannedDispatch[] = [];
  const problems: ItemProblem[] = [];
  const shared = sharedByItems(context, source, outputs);
  for (let index = 0; index < outputs.length; index += 1) {
    const planned = planItemOrRefuse(context, source, shared, index);
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
  readonly outputs: readonly string[];
  readonly producers: StageProducers;
  readonly history: StageHistory | undefined;
  /** What lies at each of `outputs`. */
  readonly objects: readonly (ObjectInfo | undefined)[];
  readonly task: string;
  /** The stage's own, whose `manifest` and `inputs` are those of every item that has none of its own. */
  readonly scope: ReferenceScope & { readonly inputs: Readonly<Record<string, unknown>> };
  readonly parametersOf: (scope: ReferenceScope) => string;
  readonly versions: readonly (readonly [string, string])[];
  /** Of an item that has no versions of its own; so is `known`. */
  readonly fingerprintOf: ReturnType<typeof fingerprinter>;
  readonly known: KnownFingerprints;
  /** False where no item has inputs of its own. */
  readonly hasItemInputs: boolean;
  /** Whether a key is one that the stage itself writes. */
  readonly isOutput: (key: string) => boolean;
}

function sharedByItems(context: PlanContext, source: ItemSource, outputs: readonly string[]): SharedByItems {
  const { snapshot, producers } = context;
  const { stage, manifest, inputs } = source;
  const hasItemInputs = Object.values(stage.inputs ?? {}).some(isPerItem);
  const scope = { job: snapshot.job, manifest, inputs: inputUris(snapshot, inputs) };
  const task = stage.task ?? `endpoint:${stage.endpoint}`;
  const versions = inputVersions(stage, inputs);
  const template = stage.task === undefined ? withoutOutput(stage.payload) : (stage.parameters ?? {});
  return {
    outputs,
    producers: producers.begin(stage, outputs),
    history: snapshot.history.get(stage.name),
    objects: objectsAt(snapshot, stage, outputs),
    task,
    scope,
    parametersOf: canonicalTemplate(template, scope, new Set(['index', 'item', ...(hasItemInputs ? ['inputs'] : [])])),
    versions,
    fingerprintOf: fingerprinter({ task, versions }),
    known: knownFingerprints(`${snapshot.folderUri}${stage.name}`, source.entries, () => {
      const references = referencesIn([template, stage.output]).filter((reference) => !ITEM_REFERENCE.test(reference));
      const values = references.map((reference) => lookUp(reference, scope) ?? null);
      return JSON.stringify([task, versions, template, stage.output, values]);
    }),
    hasItemInputs,
    isOutput: createIsOutput(outputs),
  };
}

const ITEM_REFERENCE = /^(item|index)\b/;

/** Made when it is first asked: most stages name no URIs, and a set of a hundred thousand keys takes its time and memory. */
function createIsOutput(outputs: readonly string[]): SharedByItems['isOutput'] {
  let keys: ReadonlySet<string> | undefined;
  return (key) => {
    keys ??= new Set(outputs);
    return keys.has(key);
  };
}

const NO_INPUTS: ResolvedInputs = { inputs: new Map(), missing: [], blocked: false, anyThere: false };

function planItemOrRefuse(...[context, source, shared, index]: Parameters<typeof planItem>): PlannedOne {
  try {
    return planItem(context, source, shared, index);
  } catch (thrown) {
    if (!(thrown instanceof UnknownReference)) throw thrown;
    const expected = `a value for \${${thrown.reference}}, which the parameters use`;
    return { kind: 'problem', problem: { index, code: 'REFERENCE_UNKNOWN', expected, found: 'nothing' } };
  }
}

/** Done for each of a hundred thousand items: what is made here is made once, and by name (a spread takes several times as long). */
function planItem(context: PlanContext, source: ItemSource, shared: SharedByItems, index: number): PlannedOne {
  const { snapshot } = context;
  const { stage, manifest } = source;
  const { producers, scope: stageScope } = shared;
  const entry = source.entries[index];
  const outputKey = shared.outputs[index] ?? '';
  const item = String(index);
  const fanOut = stage.for_each !== undefined;
  const scope = { job: stageScope.job, manifest, inputs: stageScope.inputs, index, item: entry };
  const own = shared.hasItemInputs ? resolveItemInputs(context, stage, scope) : NO_INPUTS;
  const foreign = findForeignUris(context, scope, stage, shared.isOutput);
  if (foreign.kind === 'refused') {
    const { expected, found } = foreign;
    return { kind: 'problem', problem: { index, code: 'URI_NOT_ALLOWED', expected, found } };
  }
  const missing = own.missing[0] ?? (foreign.missing === null ? undefined : `${foreign.missing} is not there`);
  if (missing !== undefined) {
    producers.waits(index);
    const waiting = {
      stage: stage.name,
      item,
      phase: 'waiting',
      why: missing,
      outputKey,
      fingerprint: '',
      fanOut,
      attempt: 0,
    } as const;
    return { kind: 'item', item: waiting, dispatch: null };
  }
  const hasOwn = own.inputs.size > 0;
  if (hasOwn) scope.inputs = { ...stageScope.inputs, ...inputUris(snapshot, own.inputs) };
  const outputUri = snapshot.folderUri + outputKey;
  const { task, versions } = shared;
  let fingerprint: string;
  if (hasOwn || foreign.versions.length > 0) {
    const all = [...versions, ...inputVersions(stage, own.inputs), ...foreign.versions];
    fingerprint = fingerprintOf({ task, parameters: shared.parametersOf(scope), outputUri, versions: all });
  } else {
    fingerprint = shared.known.get(index) ?? shared.fingerprintOf(shared.parametersOf(scope), outputUri);
    shared.known.set(index, fingerprint);
  }
  const history = shared.history?.get(index) ?? NO_HISTORY;
  const state = itemState({
    stage: stage.name,
    item,
    fingerprint,
    output: shared.objects[index],
    history,
    maxAttempts: stage.max_attempts,
    retryDelayMs: stage.retry_delay_sec * 1000,
    nowMs: context.nowMs,
    marksOutputs: stage.task !== undefined,
    facts: snapshot.facts,
  });
  noteNeeds(context, state, stage.name, item, fingerprint, outputKey);
  const done = state.kind === 'done' || state.kind === 'landed';
  producers.isPlanned(index, done, state.kind === 'done' && state.ownerMade ? null : fingerprint);
  const { phase, why, attempt } = phaseOf(state);
  const planned: PlannedItem = { stage: stage.name, item, phase, why, outputKey, fingerprint, fanOut, attempt };
  if (state.kind !== 'dispatch') return { kind: 'item', item: planned, dispatch: null };
  const dispatch: PlannedDispatch = {
    stage: stage.name,
    item,
    fingerprint,
    attempt,
    graphStage: stage,
    index,
    outputKey,
    why,
    refusals: refusalsOf(history, fingerprint),
    entry,
    manifest,
    inputs: hasOwn ? new Map([...source.inputs, ...own.inputs]) : source.inputs,
  };
  return { kind: 'item', item: planned, dispatch };
}

function refusalsOf({ results }: ItemHistory, fingerprint: string): number {
  return results.filter((seen) => seen.status === 'refused' && seen.fingerprint === fingerprint).length;
}

function noteNeeds(
  context: PlanContext,
  state: ItemState,
  ...[stage, item, fingerprint, outputKey]: [stage: string, item: string, fingerprint: string, outputKey: string]
): void {
  if (state.kind === 'needs-mark') context.marks.set(state.version.key, state.version);
  else if (state.kind === 'needs-failure') {
    const { attempt, lastModifiedMs } = state.failed;
    context.failures.push({ stage, item, fingerprint, attempt, lastModifiedMs });
  } else if (state.kind === 'landed') {
    context.landed.push({ stage, item, fingerprint, outputKey, attempt: state.attempt });
  } else if (state.kind === 'retrying') context.retryTimesMs.push(state.notBeforeMs);
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

/** What lies at an external stage's keys, but for what one of ours is still making. */
export function externalObjects(
  { snapshot, producers }: PlanContext,
  stage: GraphStage,
  outputs: readonly string[],
): readonly (ObjectInfo | undefined)[] {
  const objects = objectsAt(snapshot, stage, outputs);
  if (!producers.mayWrite(stage.output)) return objects;
  return outputs.map((key, index) => (producers.get(key)?.done === false ? undefined : objects[index]));
}

/** Items of an external stage: something else makes them, and nothing is known of them but their outputs. */
export function planExternalItems(
  stage: GraphStage,
  outputs: readonly string[],
  objects: readonly (ObjectInfo | undefined)[],
): PlannedItem[] {
  return outputs.map((key, index) => {
    const object = objects[index];
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
