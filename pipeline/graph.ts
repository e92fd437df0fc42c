/** The stage graph, checked and put in an order in which every stage comes after what feeds it. */
import { MillraceError } from '../errors.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import type { Rejected } from '../manifests/parse.ts';
import type { Pipeline, Stage } from '../manifests/pipeline.ts';
import { isPerItem } from './plan-inputs.ts';
import { REFERENCE_ROOTS, referencesIn } from './references.ts';

export interface GraphStage extends Stage {
  readonly name: string;
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
  const errors = stages.flatMap((stage) => [...inputErrors(stage, pipeline), ...referenceErrors(stage)]);
  if (errors.length > 0) return rejected(errors);
  const ordered = inDependencyOrder(stages);
  if (!ordered.ok) {
    return rejected([
      error(`stages.${ordered.cycle[0]}.inputs`, 'stages that do not feed themselves', `a circle: ${ordered.cycle.join(' → ')}`),
    ]);
  }
  return { ok: true, graph: { name: pipeline.name ?? 'pipeline', stages: ordered.stages } };
}

/** The same for a pipeline that must be right, such as the deployment's own. Throws GRAPH_INVALID. */
export function requireGraph(pipeline: Pipeline): Graph {
  const outcome = createGraph(pipeline);
  if (outcome.ok) return outcome.graph;
  throw new MillraceError(outcome.code, outcome.errors.map(({ text }) => text).join('; '));
}

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
  return places.flatMap(([field, template, roots]) =>
    referencesIn(template).flatMap((reference) => {
      const found = `\${${reference}}`;
      const [root, second] = reference.split('.');
      const place = `stages.${stage.name}.${field}`;
      if (root === undefined || !roots.includes(root)) return [error(place, `references to ${roots.join(', ')}`, found)];
      if (root === 'inputs' && (second === undefined || !Object.hasOwn(stage.inputs ?? {}, second))) {
        return [error(place, `an input of this stage (${Object.keys(stage.inputs ?? {}).join(', ') || 'it has none'})`, found)];
      }
      if (root === 'manifest' && stage.manifest === undefined) return [error(place, 'a stage with a manifest', found)];
      if ((root === 'item' || root === 'index') && stage.for_each === undefined)
        return [error(place, 'a stage with for_each', found)];
      return [];
    }),
  );
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

/** True where an output of `upstream` may be an input of `stage`. */
function feeds(upstream: GraphStage, stage: GraphStage): boolean {
  return Object.values(stage.inputs ?? {}).some((input) =>
    'stage' in input ? input.stage === upstream.name : mayMeet(input.key, upstream.output),
  );
}

const ANYTHING = Symbol('anything');
type Token = string | typeof ANYTHING;

/** True where some key matches both patterns, `*` and `${…}` standing for any text. */
function mayMeet(a: string, b: string): boolean {
  const left = tokens(a);
  const right = tokens(b);
  // reachable[j]: the tokens of `left` seen so far can spell the same text as the first j tokens of `right`.
  const literals = right.findIndex((token) => token !== ANYTHING);
  let reachable = Array.from({ length: right.length + 1 }, (_, j) => literals < 0 || j <= literals);
  for (const token of left) {
    const next: boolean[] = [];
    for (let j = 0; j <= right.length; j += 1) {
      const other = right[j - 1];
      const skipsThis = token === ANYTHING && (reachable[j] === true || next[j - 1] === true);
      const skipsOther = other === ANYTHING && (next[j - 1] === true || reachable[j] === true);
      const same = reachable[j - 1] === true && other !== undefined && token === other;
      next.push(skipsThis || skipsOther || same);
    }
    reachable = next;
  }
  return reachable.at(-1) === true;
}

function tokens(pattern: string): Token[] {
  return pattern
    .split(/(\$\{[^}]*\}|\*)/)
    .flatMap((part): Token[] => (part === '*' || part.startsWith('${') ? [ANYTHING] : [...part]));
}

function error(field: string, expected: string, found: string): FieldError {
  return { field, expected, found, text: `${field}: expected ${expected}, found ${found}` };
}

function rejected(errors: readonly FieldError[]): Rejected {
  return { ok: false, code: 'GRAPH_INVALID', errors };
}
