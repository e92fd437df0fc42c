/** The stage graph, checked and put in an order in which every stage comes after what feeds it. */
import { MillraceError } from '../errors.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import type { Rejected } from '../manifests/parse.ts';
import { type Pipeline, type Stage, type StageInput, StageName } from '../manifests/pipeline.ts';
import { chunkStageName, chunkStageOf } from './chunk-stage.ts';
import { brokenReferencesIn, REFERENCE_ROOTS, referencesIn } from './references.ts';

export interface GraphStage extends Stage {
  readonly name: string;
  /** The stage that makes its chunks, which stands before it in the graph and is planned together with it. */
  readonly chunkStage?: GraphStage;
  /** True for such a stage. */
  readonly isChunkStage?: true;
}

export interface Graph {
  readonly name: string;
  /** In dependency order. */
  readonly stages: readonly GraphStage[];
}

export type GraphOutcome = { readonly ok: true; readonly graph: Graph } | Rejected;

/** Checks what one stage's schema cannot see: references, fan-in on stages that are there, no cycles. */
export function createGraph(pipeline: Pipeline): GraphOutcome {
  const stages = Object.entries(pipeline.stages).map(([name, stage]): GraphStage => ({ ...stage, name }));
  const errors = stages.flatMap((stage) => [
    ...inputErrors(stage, pipeline),
    ...referenceErrors(stage),
    ...legacyErrors(stage),
    ...chunkErrors(stage, pipeline),
  ]);
  if (errors.length > 0) return rejected(errors);
  const ordered = inDependencyOrder(stages);
  if (!ordered.ok) {
    return rejected([
      error(`stages.${ordered.cycle[0]}.inputs`, 'stages that do not feed themselves', `a circle: ${ordered.cycle.join(' → ')}`),
    ]);
  }
  return { ok: true, graph: { name: pipeline.name ?? 'pipeline', stages: ordered.stages.flatMap(withChunkStage) } };
}

function withChunkStage(stage: GraphStage): GraphStage[] {
  if (stage.chunks === undefined) return [stage];
  const chunkStage = chunkStageOf(stage);
  return [chunkStage, { ...stage, chunkStage }];
}

/** The same for a pipeline that must be right, such as the deployment's own. Throws GRAPH_INVALID. */
export function requireGraph(pipeline: Pipeline): Graph {
  const outcome = createGraph(pipeline);
  if (outcome.ok) return outcome.graph;
  throw new MillraceError(outcome.code, outcome.errors.map(({ text }) => text).join('; '));
}

/** True for an input that each item has one of its own: `stage/segmentation/audio_segments/segment_${index}.wav`. */
export const isPerItem = (input: StageInput): boolean => 'key' in input && /\$\{(index|item)\b/.test(input.key);

function inputErrors(stage: GraphStage, pipeline: Pipeline): FieldError[] {
  return Object.entries(stage.inputs ?? {}).flatMap(([name, input]) => {
    if ('key' in input) {
      // Looked up per item: with a star each of them would go through the whole folder.
      if (!isPerItem(input) || !input.key.includes('*')) return [];
      return [error(`stages.${stage.name}.inputs.${name}.key`, 'no * beside ${index} or ${item.…}', JSON.stringify(input.key))];
    }
    if (Object.hasOwn(pipeline.stages, input.stage)) return [];
    const known = Object.keys(pipeline.stages).join(', ');
    return [error(`stages.${stage.name}.inputs.${name}.stage`, `the name of a stage (${known})`, JSON.stringify(input.stage))];
  });
}

function referenceErrors(stage: GraphStage): FieldError[] {
  const places: [field: string, template: unknown, roots: readonly string[]][] = [
    ['for_each', stage.for_each, ['manifest', 'inputs']],
    ['output', stage.output, ['job', 'index', 'item', 'manifest']],
    ['parameters', stage.parameters, ['job', 'index', 'item', 'manifest', 'inputs']],
    ['payload', stage.payload, REFERENCE_ROOTS],
  ];
  for (const [name, input] of Object.entries(stage.inputs ?? {})) {
    if (!('key' in input)) continue;
    places.push([`inputs.${name}.key`, input.key, ['job', 'manifest', 'index', 'item']]);
    places.push([`inputs.${name}.when`, input.when, ['manifest']]);
  }
  return places.flatMap(([field, template, roots]) => {
    const place = `stages.${stage.name}.${field}`;
    const broken = brokenReferencesIn(template).map((text) =>
      error(place, 'references such as ${manifest.language}', shown(text)),
    );
    const unknown = referencesIn(template).flatMap((reference) => {
      const found = `\${${reference}}`;
      const [root, second] = reference.split('.');
      if (root === undefined || !roots.includes(root)) return [error(place, `references to ${roots.join(', ')}`, found)];
      if (root === 'inputs' && (second === undefined || !Object.hasOwn(stage.inputs ?? {}, second))) {
        return [error(place, `an input of this stage (${Object.keys(stage.inputs ?? {}).join(', ') || 'it has none'})`, found)];
      }
      if (root === 'manifest' && stage.manifest === undefined) return [error(place, 'a stage with a manifest', found)];
      if ((root === 'item' || root === 'index') && stage.for_each === undefined)
        return [error(place, 'a stage with for_each', found)];
      return [];
    });
    return [...broken, ...unknown];
  });
}

const MAX_SHOWN_CHARACTERS = 80;
const shown = (text: string): string => JSON.stringify(text.slice(0, MAX_SHOWN_CHARACTERS));

/** The legacy form reads and writes any bucket by its name, and never the output that the stage promises. */
function legacyErrors(stage: GraphStage): FieldError[] {
  if (stage.task !== 'ENCODING' || stage.parameters?.bucket === undefined) return [];
  const place = `stages.${stage.name}.parameters.bucket`;
  return [error(place, 'nothing here (name input_video_uri and input_audio_uri instead)', 'the legacy form of ENCODING')];
}

function chunkErrors(stage: GraphStage, pipeline: Pipeline): FieldError[] {
  if (stage.chunks === undefined) return [];
  const name = chunkStageName(stage.name);
  const place = `stages.${stage.name}.chunks`;
  if (Object.hasOwn(pipeline.stages, name)) return [error(place, `no other stage of the name that its chunks have`, name)];
  if (StageName.safeParse(name).success) return [];
  return [error(place, 'a shorter name of its stage, to which -chunks is added', name)];
}

type Ordered = { readonly ok: true; readonly stages: GraphStage[] } | { readonly ok: false; readonly cycle: readonly string[] };

/** Depth first; keeps the document's order where dependencies leave a choice. */
function inDependencyOrder(stages: readonly GraphStage[]): Ordered {
  const ordered: GraphStage[] = [];
  const path: string[] = [];
  const seen = new Set<string>();
  const visit = (stage: GraphStage): readonly string[] | null => {
    const at = path.indexOf(stage.name);
    if (at >= 0) return [...path.slice(at), stage.name];
    if (seen.has(stage.name)) return null;
    path.push(stage.name);
    for (const upstream of stages) {
      if (!feeds(upstream, stage)) continue;
      const cycle = visit(upstream);
      if (cycle !== null) return cycle;
    }
    path.pop();
    seen.add(stage.name);
    ordered.push(stage);
    return null;
  };
  for (const stage of stages) {
    const cycle = visit(stage);
    if (cycle !== null) return { ok: false, cycle };
  }
  return { ok: true, stages: ordered };
}

/** True where an output of `upstream` may be an input of `stage`, or is its manifest. */
export function feeds(upstream: GraphStage, stage: GraphStage): boolean {
  if (stage.manifest?.keys.includes(upstream.output) === true) return true;
  return Object.values(stage.inputs ?? {}).some((input) =>
    'stage' in input ? input.stage === upstream.name : mayMeet(input.key, upstream.output),
  );
}

/** What stands for any text in a pattern. */
const WILD = /\$\{[^}]*\}|\*/;

/**
 * True where some key matches both patterns, `*` and `${…}` standing for any text. Where both have such a place only their ends can
 * keep them apart: whatever lies between can be spelt out one after the other.
 */
export function mayMeet(a: string, b: string): boolean {
  const left = a.split(WILD);
  const right = b.split(WILD);
  if (left.length === 1) return isSpelling(a, right);
  if (right.length === 1) return isSpelling(b, left);
  return startTogether(left[0], right[0]) && endTogether(left.at(-1), right.at(-1));
}

/** What every spelling of a pattern begins and ends with: a whole key where nothing in it stands for any text. */
export function patternEnds(pattern: string): readonly [begin: string, end: string] {
  const parts = pattern.split(WILD);
  return [parts[0] ?? '', parts.at(-1) ?? ''];
}

/** True where `text` has the parts of a pattern in their order, from its first character to its last. */
function isSpelling(text: string, parts: readonly string[]): boolean {
  const [first = '', ...others] = parts;
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}

function startTogether(a = '', b = ''): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

function endTogether(a = '', b = ''): boolean {
  return a.endsWith(b) || b.endsWith(a);
}

function error(field: string, expected: string, found: string): FieldError {
  return { field, expected, found, text: `${field}: expected ${expected}, found ${found}` };
}

function rejected(errors: readonly FieldError[]): Rejected {
  return { ok: false, code: 'GRAPH_INVALID', errors };
}
