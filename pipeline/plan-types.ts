/** What `plan` answers. Plain data: printing it is `millrace plan`, carrying it out is `reconcile`. */
import type { ErrorCode } from '../errors.ts';
import type { FieldError } from '../manifests/field-errors.ts';
import type { Webhooks } from '../manifests/webhooks.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import type { GraphStage } from './graph.ts';
import type { AttemptName } from './layout.ts';
import type { FailedAttempt } from './snapshot.ts';

export interface PlanSettings {
  /** The most segments one manifest may name. */
  readonly maxSegments: number;
  /** The most bytes one manifest, or one document for `for_each`, may have. */
  readonly maxManifestBytes: number;
  /** May a job bring its own pipeline.json? */
  readonly jobPipelines: boolean;
  /** May a job bring its own webhooks.json? */
  readonly jobWebhooks: boolean;
  /** Endpoints that a stage may name. */
  readonly endpoints: readonly string[];
  /** `s3://other-bucket/` or `s3://bucket/prefix/`: what a manifest may name beside its own job's folder. */
  readonly allowedUriPrefixes: readonly string[];
}

export interface ResolvedInput {
  /** Stays a list where it is a fan-in over a stage with several items. */
  readonly many: boolean;
  readonly objects: readonly ObjectInfo[];
  /** What it enters the fingerprint by. */
  readonly version: string;
}

export type ItemPhase =
  | 'done'
  | 'running'
  | 'dispatch'
  | 'held'
  | 'retrying'
  | 'waiting'
  | 'failed'
  | 'removed'
  | 'external'
  | 'cancelled'
  | 'unknown';

export interface PlannedItem {
  readonly stage: string;
  /** The item's number as text: `0`, `1`, … */
  readonly item: string;
  readonly phase: ItemPhase;
  /** Why it is in this phase, in words; empty where the phase says it all. */
  readonly why: string;
  /** Relative to the job's folder. */
  readonly outputKey: string;
  /** Empty where the item has none: an external one, or one that still waits. */
  readonly fingerprint: string;
  /** True for an item of a stage that fans out, even into one. */
  readonly fanOut: boolean;
  /** The attempt that runs, failed last, or comes next; 0 where there is none. */
  readonly attempt: number;
}

/** An attempt whose output is there. */
export interface LandedAttempt extends AttemptName {
  readonly outputKey: string;
}

/** One item to dispatch, with all that its payload is made from. */
export interface PlannedDispatch extends AttemptName {
  readonly graphStage: GraphStage;
  readonly index: number;
  readonly outputKey: string;
  readonly why: string;
  /** How often RunPod has refused this item with this fingerprint. */
  readonly refusals: number;
  readonly entry: unknown;
  readonly manifest: unknown;
  readonly inputs: ReadonlyMap<string, ResolvedInput>;
}

export interface PlannedProblem {
  /** `<manifest's name>.<version>`: the problem object's name. */
  readonly name: string;
  readonly code: ErrorCode;
  readonly keys: readonly string[];
  readonly message: string;
  readonly errors: readonly FieldError[];
  readonly fix: string;
  /** Its problem object is there already. */
  readonly known: boolean;
}

/** `off`: nothing turns it on. `blocked`: a problem, or something it depends on has failed for good. */
export type StagePhase = 'off' | 'blocked' | 'waiting' | 'active';

export interface PlannedStage {
  readonly name: string;
  readonly phase: StagePhase;
  readonly why: string;
  readonly items: readonly PlannedItem[];
}

export interface Needs {
  /** Objects to read as documents. */
  readonly documents: readonly ObjectInfo[];
  /** Outputs whose writer's mark must be known. */
  readonly marks: readonly ObjectInfo[];
  /** Failed attempts whose result must be read. */
  readonly failures: readonly FailedAttempt[];
}

export interface Plan {
  readonly job: string;
  readonly stages: readonly PlannedStage[];
  readonly dispatch: readonly PlannedDispatch[];
  /** Open attempts that nobody wants any more. */
  readonly cancel: readonly AttemptName[];
  /** Attempts of other programs' endpoints whose output is there: their succeeded results are still to be written. */
  readonly landed: readonly LandedAttempt[];
  readonly problems: readonly PlannedProblem[];
  /** The job's own webhooks.json; `null` where there is none that may be used. */
  readonly webhooks: Webhooks | null;
  /** Where this is not empty the plan is a partial one: fetch these facts and plan again. */
  readonly needs: Needs;
  /** Why nothing is dispatched at all: cancelled, or held back until a time. */
  readonly stopped: 'cancelled' | 'held' | null;
  /** When the first item that has failed may be tried again, in milliseconds since 1970. */
  readonly retryAtMs: number | null;
}

export const needsNothing = ({ documents, marks, failures }: Needs): boolean =>
  documents.length === 0 && marks.length === 0 && failures.length === 0;
