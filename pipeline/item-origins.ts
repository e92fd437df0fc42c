/** What set an item off: when its manifest and its inputs were written, each of which was an event. */
import type { StageInput } from '../manifests/pipeline.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import type { Graph } from './graph.ts';
import type { Snapshot } from './snapshot.ts';

export interface Origin {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly what: string;
}

/** Of the last writing: what lay there before is not known any more. Empty where nothing of it is there. */
export function originsOf(graph: Graph, snapshot: Snapshot, stageName: string, item: string): Origin[] {
  const stage = graph.stages.find(({ name }) => name === stageName);
  if (stage === undefined) return [];
  const manifests = (stage.manifest?.keys ?? []).flatMap((key) => written(snapshot, key));
  const inputs = Object.values(stage.inputs ?? {}).flatMap((input) => inputWritten(graph, snapshot, input, item));
  return [...manifests, ...inputs];
}

function inputWritten(graph: Graph, snapshot: Snapshot, input: StageInput, item: string): Origin[] {
  if ('key' in input) return written(snapshot, input.key.replaceAll('${index}', item));
  const output = graph.stages.find(({ name }) => name === input.stage)?.output;
  return output === undefined ? [] : written(snapshot, output, ` (of ${input.stage})`);
}

/** One line for each pattern: the last that was written stands for all. */
function written({ objects }: Snapshot, pattern: string, whose = ''): Origin[] {
  const isMatch = matcher(pattern);
  const matches = [...objects.values()].filter(({ key }) => isMatch(key));
  const [last] = matches.toSorted((a, b) => b.lastModifiedMs - a.lastModifiedMs);
  if (last === undefined) return [];
  return [{ atMs: last.lastModifiedMs, what: `${last.key} was written${whose}${others(matches)}` }];
}

const others = ({ length }: readonly ObjectInfo[]): string => (length === 1 ? '' : `, the last of ${length} such`);

/** A reference whose value only the manifest knows stands for any text without a slash, as a star does. */
function matcher(pattern: string): (key: string) => boolean {
  const parts = pattern.split(/\$\{[^}]*\}|\*/).map((part) => part.replaceAll(/[.\\+?^${}()|[\]]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('[^/]+')}$`);
  return (key) => expression.test(key);
}
