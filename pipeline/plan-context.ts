/** What one call of `plan` gathers while it walks the stages. */
import { basename } from 'node:path/posix';
import type { ErrorCode } from '../errors.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import type { Parsed } from '../manifests/parse.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { digestOf } from './fingerprint.ts';
import type { GraphStage } from './graph.ts';
import type { LandedAttempt, PlannedProblem, PlannedStage, PlanSettings } from './plan-types.ts';
import { createProducers, type Producers } from './producers.ts';
import { type FailedAttempt, type Snapshot, versionId, versionOf, writingId } from './snapshot.ts';

export interface PlanContext {
  readonly snapshot: Snapshot;
  readonly settings: PlanSettings;
  /** The graph's stages, in dependency order. */
  readonly stages: readonly GraphStage[];
  /** Of the stages walked so far. */
  readonly producers: Producers;
  readonly planned: Map<string, PlannedStage>;
  readonly problems: PlannedProblem[];
  readonly documents: Map<string, ObjectInfo>;
  readonly marks: Map<string, ObjectInfo>;
  readonly failures: FailedAttempt[];
  readonly landed: LandedAttempt[];
  readonly nowMs: number;
  readonly retryTimesMs: number[];
}

export function createContext(
  snapshot: Snapshot,
  settings: PlanSettings,
  nowMs: number,
  stages: readonly GraphStage[] = [],
): PlanContext {
  return {
    snapshot,
    settings,
    stages,
    producers: createProducers(),
    planned: new Map(),
    problems: [],
    documents: new Map(),
    marks: new Map(),
    failures: [],
    landed: [],
    nowMs,
    retryTimesMs: [],
  };
}

/**
 * What an object enters a fingerprint by: its own version where a person wrote it, its producer's fingerprint where a stage made
 * it. Where that stage is off by now (its manifest was deleted, say) the writer's mark still tells; `null` where it must be read
 * first.
 */
export function inputVersion(context: PlanContext, object: ObjectInfo): string | null {
  const producer = context.producers.get(object.key);
  if (producer !== undefined) return producer.fingerprint ?? versionOf(object);
  const mark = context.snapshot.facts.marks.get(writingId(object));
  if (mark === undefined) {
    context.marks.set(object.key, object);
    return null;
  }
  return mark ?? versionOf(object);
}

export interface ProblemDetails {
  readonly errors?: readonly FieldError[];
  readonly fix: string;
}

/** Notes a problem about objects that are there. The name holds their versions, so that a mended object is judged anew. */
export function addProblem(
  context: PlanContext,
  code: ErrorCode,
  objects: readonly ObjectInfo[],
  message: string,
  details: ProblemDetails,
): void {
  const [first] = objects;
  const version = objects.length === 1 && first !== undefined ? versionOf(first) : digestOf(objects.map(versionId));
  const name = `${basename(first?.key ?? 'job')}.${version}`;
  if (context.problems.some((known) => known.name === name)) return;
  context.problems.push({
    name,
    code,
    keys: objects.map(({ key }) => key),
    message,
    errors: details.errors ?? [],
    fix: details.fix,
    known: context.snapshot.problems.has(name),
  });
}

/** The parsed document, or `null` where it must be fetched first. */
export function documentOf(context: PlanContext, object: ObjectInfo): Parsed<unknown> | null {
  const { maxManifestBytes } = context.settings;
  if (object.sizeBytes > maxManifestBytes) {
    const expected = `at most ${maxManifestBytes} bytes`;
    const found = `${object.sizeBytes} bytes`;
    return {
      ok: false,
      code: 'MANIFEST_TOO_LARGE',
      errors: [{ field: '', expected, found, text: `document: expected ${expected}, found ${found}` }],
    };
  }
  const document = context.snapshot.facts.documents.get(versionId(object));
  if (document === undefined) context.documents.set(versionId(object), object);
  return document ?? null;
}
