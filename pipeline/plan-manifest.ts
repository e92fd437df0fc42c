/** Finds and parses the manifest that turns a stage on. */
import { basename } from 'node:path/posix';
import { Cancel } from '../manifests/cancel.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import { type Parsed, parseValue } from '../manifests/parse.ts';
import type { StageManifest } from '../manifests/pipeline.ts';
import { type ManifestLimits, parseManifestValue } from '../manifests/stage-manifests.ts';
import { Webhooks } from '../manifests/webhooks.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import type { Graph, GraphStage } from './graph.ts';
import { addProblem, documentOf, type PlanContext } from './plan-context.ts';

export type FoundManifest =
  | { readonly kind: 'none' }
  | { readonly kind: 'needed' }
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'there'; readonly object: ObjectInfo; readonly value: unknown };

export function findManifest(context: PlanContext, stage: GraphStage): FoundManifest {
  const { manifest } = stage;
  if (manifest === undefined) return { kind: 'none' };
  const objects = manifest.keys.flatMap((key) => context.snapshot.objects.get(key) ?? []);
  const [object] = objects;
  if (object === undefined) return { kind: 'none' };
  if (objects.length > 1) {
    const keys = objects.map(({ key }) => key);
    const message = `The same manifest lies in two places: ${keys.join(' and ')}.`;
    addProblem(context, 'MANIFEST_TWICE', objects, message, {
      fix: `Delete all but one; the usual place is ${manifest.keys[0]}.`,
    });
    return { kind: 'wrong', why: `${keys.join(' and ')} are both there` };
  }
  const document = documentOf(context, object);
  if (document === null) return { kind: 'needed' };
  const parsed = parseOnce(document, manifest.type, context.settings);
  if (parsed.ok) return { kind: 'there', object, value: parsed.value };
  addManifestProblem(context, object, parsed.code, parsed.errors);
  return { kind: 'wrong', why: `${object.key}: ${parsed.errors[0]?.text ?? parsed.code}` };
}

/** Two stages may read one manifest, and a job is planned again and again: 100,000 segments are checked once. */
const parsedManifests = new WeakMap<Parsed<unknown>, Map<string, Parsed<unknown>>>();

function parseOnce(document: Parsed<unknown>, type: StageManifest['type'], limits: ManifestLimits): Parsed<unknown> {
  if (!document.ok) return document;
  const known = parsedManifests.get(document) ?? new Map<string, Parsed<unknown>>();
  parsedManifests.set(document, known);
  const id = `${type} ${limits.maxSegments}`;
  const parsed = known.get(id) ?? parseManifestValue(type, document.value, limits);
  known.set(id, parsed);
  return parsed;
}

export function addManifestProblem(
  context: PlanContext,
  object: ObjectInfo,
  code: Parameters<typeof addProblem>[1],
  errors: readonly FieldError[],
): void {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const fix = `Correct ${object.key} and write it again; \`millrace validate\` says the same before you upload.`;
  addProblem(context, code, [object], `${object.key}: ${first?.text ?? 'not valid'}${more}`, { errors, fix });
}

/** cancel.json stops its job whatever is in it; that nobody can read it is still said. */
export function checkCancel(context: PlanContext): void {
  const object = context.snapshot.objects.get('cancel.json');
  const document = object === undefined ? null : documentOf(context, object);
  if (object === undefined || document === null) return;
  const parsed = document.ok ? parseValue(Cancel, document.value) : document;
  if (!parsed.ok) addManifestProblem(context, object, parsed.code, parsed.errors);
}

/** Whom the job wants told of its ends. A webhooks.json that is wrong stops nothing but what it asks for. */
export function findWebhooks(context: PlanContext): Webhooks | null {
  const object = context.snapshot.objects.get('webhooks.json');
  if (object === undefined) return null;
  if (!context.settings.jobWebhooks) {
    addProblem(context, 'WEBHOOKS_DISABLED', [object], 'webhooks.json: this deployment tells no receivers that jobs name.', {
      fix: 'Delete webhooks.json, or ask the operator to set MILLRACE_JOB_WEBHOOKS=true.',
    });
    return null;
  }
  const document = documentOf(context, object);
  if (document === null) return null;
  const parsed = document.ok ? parseValue(Webhooks, document.value) : document;
  if (parsed.ok) return parsed.value;
  addManifestProblem(context, object, parsed.code, parsed.errors);
  return null;
}

/** At most this many are named: an unpacked archive full of them is one mistake. */
const MAX_MISPLACED = 20;

/** Manifests that lie where no stage reads them: a silent mistake otherwise. */
export function findMisplaced(context: PlanContext, graph: Graph): void {
  const places = new Map<string, string[]>([
    ['pipeline.json', ['pipeline.json']],
    ['cancel.json', ['cancel.json']],
    ['webhooks.json', ['webhooks.json']],
  ]);
  const readAsInput = new Set<string>();
  for (const stage of graph.stages) {
    for (const key of stage.manifest?.keys ?? []) {
      const known = places.get(basename(key)) ?? [];
      if (!known.includes(key)) places.set(basename(key), [...known, key]);
    }
    for (const input of Object.values(stage.inputs ?? {})) if ('key' in input) readAsInput.add(input.key);
  }
  let named = 0;
  for (const object of context.snapshot.objects.values()) {
    if (named === MAX_MISPLACED) return;
    const expected = places.get(object.key.slice(object.key.lastIndexOf('/') + 1));
    if (expected === undefined || expected.includes(object.key)) continue;
    if (readAsInput.has(object.key) || context.producers.get(object.key) !== undefined) continue;
    addProblem(context, 'MANIFEST_MISPLACED', [object], `${object.key} lies where nothing reads it.`, {
      fix: `Move it to ${expected.join(' or ')}.`,
    });
    named += 1;
  }
}
