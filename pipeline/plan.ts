/**
 * The heart of Millrace: from a stage graph and a snapshot of a job to what must be done now. Pure: no clock, no I/O.
 * The state machine it follows is described in docs/architecture.md.
 */

import type { FieldError } from '../manifests/field-errors.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import type { Graph, GraphStage } from './graph.ts';
import type { AttemptName } from './layout.ts';
import { type ItemProblem, type ItemSource, isProblems, outputKeys } from './output-keys.ts';
import { chunkless, planInChunks } from './plan-chunks.ts';
import { addProblem, createContext, documentOf, type PlanContext } from './plan-context.ts';
import { type ResolvedInputs, resolveInputs } from './plan-inputs.ts';
import { externalObjects, planExternalItems, planItems } from './plan-items.ts';
import { addManifestProblem, checkCancel, findManifest, findMisplaced, findWebhooks } from './plan-manifest.ts';
import type { Plan, PlannedDispatch, PlannedItem, PlannedStage, PlanSettings, StagePhase } from './plan-types.ts';
import { lookUp, wholeReference } from './references.ts';
import { attemptId, type Snapshot } from './snapshot.ts';

/** `nowMs` is only compared with times until which the job, or an item that has failed, is held back. */
export function plan(graph: Graph, snapshot: Snapshot, settings: PlanSettings, nowMs: number): Plan {
  const context = createContext(snapshot, settings, nowMs, graph.stages);
  const dispatch: PlannedDispatch[] = [];
  for (const stage of graph.stages) {
    // Planned with the stage whose chunks they are.
    if (stage.isChunkStage === true) continue;
    const planned = planStage(context, stage);
    const { chunkStage } = stage;
    // Whatever stops the whole stops its chunks.
    const chunks = chunkStage && (planned.chunks ?? chunkless(chunkStage, planned.stage.phase, planned.stage.why));
    if (chunks !== undefined) context.planned.set(chunks.name, chunks);
    context.planned.set(stage.name, planned.stage);
    dispatch.push(...planned.dispatch);
  }
  findMisplaced(context, graph);
  checkCancel(context);
  const webhooks = findWebhooks(context);
  const needs = { documents: [...context.documents.values()], marks: [...context.marks.values()], failures: context.failures };
  // Most sources are short: nobody is to be told of chunks that will never be.
  const unseen = new Set(graph.stages.filter(({ isChunkStage }) => isChunkStage === true).map(({ name }) => name));
  const stages = [...context.planned.values()].filter(({ name, items }) => items.length > 0 || !unseen.has(name));
  const stopped: Plan['stopped'] = snapshot.objects.has('cancel.json')
    ? 'cancelled'
    : snapshot.heldUntilMs > nowMs
      ? 'held'
      : null;
  const retryAtMs = context.retryTimesMs.length === 0 || stopped === 'cancelled' ? null : context.retryTimesMs.reduce(earlier);
  const common = { job: snapshot.job, problems: context.problems, webhooks, landed: context.landed, needs, stopped, retryAtMs };
  if (stopped === 'cancelled') {
    // An attempt whose output is there has ended well, whatever came after.
    const landed = new Set(context.landed.map(attemptId));
    const cancel = openAttempts(snapshot).filter((open) => !landed.has(attemptId(open)));
    return { ...common, stages: stages.map(cancelled), dispatch: [], cancel };
  }
  const cancel = openAttempts(snapshot).filter((open) => !isWanted(open, context));
  if (stopped === 'held') return { ...common, stages: stages.map(held), dispatch: [], cancel };
  return { ...common, stages, dispatch, cancel };
}

const earlier = (a: number, b: number): number => Math.min(a, b);

interface StagePlan {
  readonly stage: PlannedStage;
  readonly dispatch: readonly PlannedDispatch[];
  /** Of a stage that may be made in chunks. */
  readonly chunks?: PlannedStage;
}

function planStage(context: PlanContext, stage: GraphStage): StagePlan {
  const manifest = findManifest(context, stage);
  if (manifest.kind === 'needed') {
    // Notes which marks will have to be read: together with the manifest, and not a round later.
    resolveInputs(context, stage, { job: context.snapshot.job });
    return idle(stage, 'waiting', 'its manifest must be read first');
  }
  if (manifest.kind === 'wrong') return idle(stage, 'blocked', manifest.why);
  if (manifest.kind === 'none' && stage.manifest !== undefined) {
    return idle(stage, 'off', `${stage.manifest.keys.join(' or ')} is not there`);
  }
  const value = manifest.kind === 'there' ? manifest.value : undefined;
  const resolved = resolveInputs(context, stage, { job: context.snapshot.job, manifest: value });
  // A stage with neither manifest nor inputs waits for nothing: it is on.
  const turnsOnByInputs =
    stage.manifest === undefined && stage.external === undefined && Object.keys(stage.inputs ?? {}).length > 0;
  if (turnsOnByInputs && !resolved.anyThere && !resolved.blocked) {
    return idle(stage, 'off', resolved.missing.join('; '));
  }
  const list = findEntries(context, stage, value, resolved);
  if (list.kind !== 'there') return idle(stage, list.kind, list.why);
  const source: ItemSource = { stage, manifest: value, entries: list.entries, inputs: resolved.inputs };
  const outputs = outputKeys(context, source);
  const blamed = manifest.kind === 'there' ? manifest.object : (list.object ?? firstInput(resolved));
  if (isProblems(outputs)) return refuse(context, stage, outputs, blamed);
  if (stage.external === true) return externalStage(context, stage, outputs);
  if (resolved.missing.length > 0) return waitingStage(context, source, outputs, resolved);
  const planned = planItems(context, source, outputs);
  if (isProblems(planned)) return refuse(context, stage, planned, blamed);
  const { chunkStage } = stage;
  if (chunkStage === undefined) {
    return { stage: { name: stage.name, phase: 'active', why: '', items: planned.items }, dispatch: planned.dispatch };
  }
  const inChunks = planInChunks(context, source, chunkStage, planned);
  if (isProblems(inChunks)) return refuse(context, stage, inChunks, blamed);
  const { items, dispatch, phase, why, chunks } = inChunks;
  return { stage: { name: stage.name, phase, why, items }, dispatch, chunks };
}

/** Where a stage has neither manifest nor list a problem must still be written beside something. */
function firstInput({ inputs }: ResolvedInputs): ObjectInfo | undefined {
  return [...inputs.values()][0]?.objects[0];
}

function idle(stage: GraphStage, phase: StagePhase, why: string): StagePlan {
  return { stage: { name: stage.name, phase, why, items: [] }, dispatch: [] };
}

/** An external stage is off until the first of its outputs appears: many jobs never make clips, and wait for none. */
function externalStage(context: PlanContext, stage: GraphStage, outputs: readonly string[]): StagePlan {
  const objects = externalObjects(context, stage, outputs);
  if (!objects.some((object) => object !== undefined)) {
    return idle(stage, 'off', `none of its ${outputs.length} outputs is there`);
  }
  const items = planExternalItems(stage, outputs, objects);
  return { stage: { name: stage.name, phase: 'active', why: '', items }, dispatch: [] };
}

/** Its items are known, but not what they are made from: outputs that are there already keep whoever reads them waiting too. */
function waitingStage(context: PlanContext, source: ItemSource, outputs: readonly string[], resolved: ResolvedInputs): StagePlan {
  const { stage } = source;
  const why = resolved.missing.join('; ');
  const producers = context.producers.begin(stage, outputs);
  const items = outputs.map((outputKey, index): PlannedItem => {
    const item = String(index);
    producers.waits(index);
    return {
      stage: stage.name,
      item,
      phase: 'waiting',
      why,
      outputKey,
      fingerprint: '',
      attempt: 0,
      fanOut: stage.for_each !== undefined,
    };
  });
  return { stage: { name: stage.name, phase: resolved.blocked ? 'blocked' : 'waiting', why, items }, dispatch: [] };
}

type Entries =
  | { readonly kind: 'there'; readonly entries: readonly unknown[]; readonly object: ObjectInfo | undefined }
  | { readonly kind: 'waiting' | 'blocked'; readonly why: string };

function findEntries(context: PlanContext, stage: GraphStage, manifest: unknown, resolved: ResolvedInputs): Entries {
  const reference = wholeReference(stage.for_each ?? '');
  if (reference === null) return { kind: 'there', entries: [undefined], object: undefined };
  const [root, name = '', ...path] = reference.split('.');
  if (root === 'manifest') return entriesAt(context, reference, { job: '', manifest }, undefined);
  const object = resolved.inputs.get(name)?.objects[0];
  if (object === undefined) return { kind: 'waiting', why: resolved.missing.join('; ') || `input ${name} is not there` };
  const document = documentOf(context, object);
  if (document === null) return { kind: 'waiting', why: `${object.key} must be read first` };
  if (!document.ok) {
    addManifestProblem(context, object, document.code, document.errors);
    return { kind: 'blocked', why: `${object.key}: ${document.errors[0]?.text ?? document.code}` };
  }
  return entriesAt(context, ['inputs', name, ...path].join('.'), { job: '', inputs: { [name]: document.value } }, object);
}

function entriesAt(
  context: PlanContext,
  reference: string,
  scope: Parameters<typeof lookUp>[1],
  object: ObjectInfo | undefined,
): Entries {
  const value = lookUp(reference, scope);
  const { maxSegments } = context.settings;
  if (Array.isArray(value) && value.length > 0 && value.length <= maxSegments) return { kind: 'there', entries: value, object };
  const expected = `a list of 1 to ${maxSegments} entries`;
  const found = Array.isArray(value) ? `${value.length} entries` : value === undefined ? 'nothing' : typeof value;
  const text = `${reference}: expected ${expected}, found ${found}`;
  if (object !== undefined)
    addManifestProblem(context, object, 'MANIFEST_INVALID', [{ field: reference, expected, found, text }]);
  return { kind: 'blocked', why: text };
}

/** At most this many wrong entries are named in one problem. */
const MAX_ITEM_ERRORS = 20;

/** A manifest with one impossible entry is refused whole: half of a job is worse than a clear word before it starts. */
function refuse(
  context: PlanContext,
  stage: GraphStage,
  problems: readonly ItemProblem[],
  blamed: ObjectInfo | undefined,
): StagePlan {
  const object = blamed ?? context.snapshot.objects.get('pipeline.json');
  const list =
    wholeReference(stage.for_each ?? '')
      ?.split('.')
      .slice(1)
      .join('.') ?? '';
  const errors = problems.slice(0, MAX_ITEM_ERRORS).map(({ index, expected, found }): FieldError => {
    const field = list === '' ? stage.name : `${list}[${index}]`;
    return { field, expected, found, text: `${field}: expected ${expected}, found ${found}` };
  });
  const [first] = problems;
  const why = errors[0]?.text ?? '';
  if (object !== undefined && first !== undefined) {
    addProblem(context, first.code, [object], `${object.key}: ${why}`, {
      errors,
      fix: `Correct ${object.key} and write it again.`,
    });
  }
  return idle(stage, 'blocked', why);
}

/** Claims without a result. */
export function openAttempts(snapshot: Snapshot): AttemptName[] {
  const open: AttemptName[] = [];
  for (const [stage, items] of snapshot.history) {
    for (const [index, { claims, results }] of items) {
      for (const { fingerprint, attempt } of claims) {
        const hasEnded = results.some((result) => result.fingerprint === fingerprint && result.attempt === attempt);
        if (!hasEnded) open.push({ stage, item: String(index), fingerprint, attempt });
      }
    }
  }
  return open;
}

/**
 * An open attempt is wanted while its item still has its fingerprint. Where that is not known (a stage that waits, is
 * blocked by a problem, or must be read first), it is left alone: a broken manifest must not kill good work.
 */
function isWanted(open: AttemptName, context: PlanContext): boolean {
  const stage = context.planned.get(open.stage);
  if (stage === undefined || stage.phase === 'off') return false;
  if (stage.phase !== 'active') return true;
  const item = stage.items[Number(open.item)];
  return item !== undefined && (item.fingerprint === open.fingerprint || item.phase === 'waiting');
}

function cancelled(stage: PlannedStage): PlannedStage {
  const ended = new Set(['done', 'removed']);
  return {
    ...stage,
    items: stage.items.map((item) =>
      ended.has(item.phase) ? item : { ...item, phase: 'cancelled', why: 'cancel.json is there' },
    ),
  };
}

function held(stage: PlannedStage): PlannedStage {
  return { ...stage, items: stage.items.map((item) => (item.phase === 'dispatch' ? { ...item, phase: 'held' } : item)) };
}
