/** Finds what a stage's inputs are in this job, or why they are not there yet. */
import type { StageInput } from '../manifests/pipeline.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { digestOf } from './fingerprint.ts';
import { type GraphStage, isPerItem } from './graph.ts';
import { addProblem, inputVersion, type PlanContext } from './plan-context.ts';
import type { ResolvedInput } from './plan-types.ts';
import type { Producer } from './producers.ts';
import { lookUp, type ReferenceScope, substituteText, UnknownReference, wholeReference } from './references.ts';
import { versionOf } from './snapshot.ts';

export interface ResolvedInputs {
  readonly inputs: ReadonlyMap<string, ResolvedInput>;
  /** Why the stage cannot start yet; empty where it can. */
  readonly missing: readonly string[];
  /** A problem stands in the way, or what feeds the stage has failed for good. */
  readonly blocked: boolean;
  /** True where at least one input is there: a stage without a manifest is on from then. */
  readonly anyThere: boolean;
}

export type Found =
  | { readonly kind: 'there'; readonly input: ResolvedInput }
  | { readonly kind: 'missing'; readonly why: string; readonly started: boolean }
  | { readonly kind: 'blocked'; readonly why: string }
  | { readonly kind: 'unwanted' };

/** The inputs that all items of the stage share. */
export function resolveInputs(context: PlanContext, stage: GraphStage, scope: ReferenceScope): ResolvedInputs {
  return resolve(context, stage, scope, (input) => !isPerItem(input));
}

/** The inputs of one item; `scope` names it. */
export function resolveItemInputs(context: PlanContext, stage: GraphStage, scope: ReferenceScope): ResolvedInputs {
  return resolve(context, stage, scope, isPerItem);
}

function resolve(
  context: PlanContext,
  stage: GraphStage,
  scope: ReferenceScope,
  isAsked: (input: StageInput) => boolean,
): ResolvedInputs {
  const inputs = new Map<string, ResolvedInput>();
  const missing: string[] = [];
  let blocked = false;
  let anyThere = false;
  for (const [name, input] of Object.entries(stage.inputs ?? {})) {
    if (!isAsked(input)) continue;
    const found = findInput(context, input, scope);
    if (found.kind === 'there') {
      inputs.set(name, found.input);
      anyThere = true;
    }
    if (found.kind === 'missing') {
      anyThere ||= found.started;
      if (input.optional !== true || found.started) missing.push(found.why);
    }
    if (found.kind === 'blocked') {
      blocked = true;
      missing.push(found.why);
    }
  }
  return { inputs, missing, blocked, anyThere };
}

function findInput(context: PlanContext, input: StageInput, scope: ReferenceScope): Found {
  if ('stage' in input) return findFanIn(context, input.stage);
  if (input.when !== undefined && !isTrue(lookUp(wholeReference(input.when) ?? '', scope))) return { kind: 'unwanted' };
  let pattern: string;
  try {
    pattern = substituteText(input.key, scope);
  } catch (thrown) {
    if (thrown instanceof UnknownReference) return { kind: 'blocked', why: `${input.key}: ${thrown.message}` };
    throw thrown;
  }
  return input.many === true ? findKeys(context, pattern) : findKey(context, pattern);
}

const isTrue = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && value !== 0 && value !== '';

function findKey(context: PlanContext, pattern: string): Found {
  const matches = matching(context, pattern);
  const [object] = matches;
  if (matches.length > 1) {
    const keys = matches.map(({ key }) => key);
    addProblem(context, 'INPUT_AMBIGUOUS', matches, `${pattern} must match one object, and it matches ${keys.join(' and ')}.`, {
      fix: `Delete all but one of: ${keys.join(', ')}.`,
    });
    return { kind: 'blocked', why: `${keys.join(' and ')} both match ${pattern}` };
  }
  if (object === undefined) return missingKey(context, pattern);
  const version = settledVersion(context, object);
  return version.kind === 'missing' ? version : { kind: 'there', input: { many: false, objects: [object], version: version.of } };
}

/** All that match, as a list; what a stage is still making is waited for. */
function findKeys(context: PlanContext, pattern: string): Found {
  const objects = matching(context, pattern).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  if (objects.length === 0) return missingKey(context, pattern);
  const versions: string[] = [];
  for (const object of objects) {
    const version = settledVersion(context, object);
    if (version.kind === 'missing') return version;
    versions.push(`${object.key}@${version.of}`);
  }
  return { kind: 'there', input: { many: true, objects, version: digestOf(versions) } };
}

type SettledVersion = { readonly kind: 'settled'; readonly of: string } | Extract<Found, { kind: 'missing' }>;

/** An object that is there may be about to be made anew. */
function settledVersion(context: PlanContext, object: ObjectInfo): SettledVersion {
  const producer = context.producers.get(object.key);
  if (producer !== undefined && !producer.done) {
    return { kind: 'missing', why: `${object.key} is being made by ${producer.stage}`, started: true };
  }
  const version = inputVersion(context, object);
  if (version === null) return { kind: 'missing', why: `${object.key} must be looked at first`, started: true };
  return { kind: 'settled', of: version };
}

/** An object that is not there, but that a stage is about to make, counts as on its way. */
function missingKey(context: PlanContext, pattern: string): Found {
  const [key, producer] = producerOf(context, pattern) ?? [];
  if (producer === undefined) return { kind: 'missing', why: `${pattern} is not there`, started: false };
  return { kind: 'missing', why: `${key} is still to be made by ${producer.stage}`, started: !producer.done };
}

function producerOf({ producers }: PlanContext, pattern: string): readonly [string, Producer] | undefined {
  if (!pattern.includes('*')) {
    // Thousands of items may each ask for one key: going through all producers for each of them would never end.
    const producer = producers.get(pattern);
    return producer === undefined ? undefined : [pattern, producer];
  }
  return producers.find(matcher(pattern));
}

/** Every output of a stage that has been planned. */
export function findFanIn(context: PlanContext, stageName: string): Found {
  const stage = context.planned.get(stageName);
  if (stage === undefined || stage.phase === 'off')
    return { kind: 'missing', why: `${stageName} has nothing to do`, started: false };
  if (stage.phase === 'blocked') return { kind: 'blocked', why: `${stageName} is blocked` };
  const failed = stage.items.filter(({ phase }) => phase === 'failed').length;
  if (failed > 0) return { kind: 'blocked', why: `${failed} of ${stage.items.length} items of ${stageName} failed` };
  const objects: ObjectInfo[] = [];
  const versions: string[] = [];
  for (const [index, { phase, outputKey }] of stage.items.entries()) {
    const object = phase === 'done' ? context.snapshot.objects.get(outputKey) : undefined;
    if (object === undefined) continue;
    objects.push(object);
    // Outputs of an external stage are another stage's, or nobody's, and then carry no mark.
    const producer = context.producers.at(stageName, index) ?? context.producers.get(outputKey);
    versions.push(producer?.fingerprint ?? versionOf(object));
  }
  if (stage.phase === 'waiting' || objects.length < stage.items.length || objects.length === 0) {
    return {
      kind: 'missing',
      why: `${objects.length} of ${stage.items.length || 'the'} outputs of ${stageName} are there`,
      started: true,
    };
  }
  const many = stage.items.length > 1 || stage.items[0]?.fanOut === true;
  const [only = ''] = versions;
  return { kind: 'there', input: { many, objects, version: many ? digestOf(versions) : only } };
}

function matching(context: PlanContext, pattern: string): ObjectInfo[] {
  if (!pattern.includes('*')) {
    const object = context.snapshot.objects.get(pattern);
    return object === undefined ? [] : [object];
  }
  const isMatch = matcher(pattern);
  return [...context.snapshot.objects.values()].filter(({ key }) => isMatch(key));
}

/** `*` stands for any text without a slash, and for at least one character. */
function matcher(pattern: string): (key: string) => boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return (key) => key === pattern;
  const before = pattern.slice(0, star);
  const after = pattern.slice(star + 1);
  return (key) =>
    key.length > before.length + after.length &&
    key.startsWith(before) &&
    key.endsWith(after) &&
    !key.slice(before.length, key.length - after.length).includes('/');
}
