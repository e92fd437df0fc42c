/** Where a stage's items write to: the keys, what is wrong with them, and what lies there. */
import { isJobKey, isReservedKey } from '../manifests/job-key.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { type GraphStage, mayMeet, patternEnds } from './graph.ts';
import type { PlanContext } from './plan-context.ts';
import type { ResolvedInput } from './plan-types.ts';
import { type ReferenceScope, referencesIn, substituteText, UnknownReference } from './references.ts';
import type { Snapshot } from './snapshot.ts';

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
export function outputKeys(context: PlanContext, source: ItemSource): string[] | ItemProblem[] {
  const { stage, manifest, entries } = source;
  const { job } = context.snapshot;
  const forbidden = controllingKeys(context, stage);
  if (areAlike(context, stage, forbidden)) {
    const keyAt = keySeries(stage.output) ?? ((index: number) => substituteText(stage.output, { job, index }));
    const longest = keyAt(entries.length - 1);
    if (isJobKey(longest) && !isReservedKey(longest)) return entries.map((_, index) => keyAt(index));
  }
  const keys: string[] = [];
  const problems: ItemProblem[] = [];
  const own = new Set<string>();
  for (const [index, item] of entries.entries()) {
    const key = outputKey(stage, { job, index, item, manifest });
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

/** The keys of an output that has the item's number in one place, and nothing else to substitute. */
function keySeries(output: string): ((index: number) => string) | null {
  const [begin, end] = patternEnds(output);
  return output === `${begin}\${index}${end}` ? (index) => `${begin}${index}${end}` : null;
}

/**
 * True where keys differ in the item's number alone, and no such key can be a manifest's or another stage's: no two of them are the same, and
 * what holds of the longest holds of each.
 */
function areAlike(context: PlanContext, stage: GraphStage, forbidden: ReadonlySet<string>): boolean {
  const references = referencesIn(stage.output);
  if (references.length === 0 || references.some((reference) => reference !== 'index')) return false;
  if (stage.external !== true && context.producers.mayWrite(stage.output)) return false;
  return !forbidden.values().some((key) => mayMeet(key, stage.output));
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

/**
 * What lies at each of a stage's keys. Where they differ in their number alone, one walk over the objects takes less time than looking up
 * each key, and finds at once that none is there.
 */
export function objectsAt(
  { objects }: Snapshot,
  stage: GraphStage,
  outputs: readonly string[],
): readonly (ObjectInfo | undefined)[] {
  if (keySeries(stage.output) === null) return outputs.map((key) => objects.get(key));
  const [begin, end] = patternEnds(stage.output);
  const found: (ObjectInfo | undefined)[] = new Array(outputs.length);
  for (const object of objects.values()) {
    const { key } = object;
    if (!key.startsWith(begin) || !key.endsWith(end)) continue;
    const digits = key.slice(begin.length, key.length - end.length);
    const index = Number(digits);
    if (index < outputs.length && String(index) === digits) found[index] = object;
  }
  return found;
}
