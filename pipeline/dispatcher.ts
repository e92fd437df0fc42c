/** What the pipeline asks of RunPod. It is given one of these and knows nothing else of it. */
import type { MillraceError } from '../errors.ts';

/** One call of `/run`. */
export interface RunRequest {
  /** `default`, or the endpoint that the stage names. */
  readonly endpoint: string;
  /** RunPod's `input`. Holds presigned URLs: never log it. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly executionTimeoutSeconds: number;
  readonly ttlSeconds: number;
}

export type DispatchOutcome =
  | { readonly kind: 'accepted'; readonly runId: string }
  /** RunPod said no, or could not be reached at all: nothing runs. */
  | { readonly kind: 'refused'; readonly error: MillraceError; readonly retryAfterMs?: number }
  /** The call was sent and no answer came: it may run. */
  | { readonly kind: 'uncertain'; readonly error: MillraceError };

export type RunStatus =
  | { readonly kind: 'queued' }
  | { readonly kind: 'running' }
  | { readonly kind: 'completed'; readonly output?: unknown; readonly executionMs?: number }
  | { readonly kind: 'failed'; readonly error: string; readonly executionMs?: number }
  | { readonly kind: 'timed-out'; readonly executionMs?: number }
  | { readonly kind: 'cancelled'; readonly executionMs?: number }
  /** 404: forgotten (30 minutes), expired, or never there. */
  | { readonly kind: 'unknown' };

/** What RunPod says of an endpoint as a whole. */
export interface EndpointHealth {
  readonly jobs: { readonly inProgress: number; readonly inQueue: number };
  readonly workers: {
    readonly idle: number;
    readonly initializing: number;
    readonly ready: number;
    readonly running: number;
    readonly throttled: number;
    readonly unhealthy: number;
  };
}

export interface Dispatcher {
  run(request: RunRequest, signal?: AbortSignal): Promise<DispatchOutcome>;
  /** Throws RUN_REFUSED where RunPod cannot be asked now. */
  status(endpoint: string, runId: string, signal?: AbortSignal): Promise<RunStatus>;
  /** Cancelling what has ended or is unknown is no error. Throws RUN_REFUSED where RunPod cannot be asked now. */
  cancel(endpoint: string, runId: string, signal?: AbortSignal): Promise<void>;
  /** Throws RUN_REFUSED where RunPod cannot be asked now. */
  health(endpoint: string, signal?: AbortSignal): Promise<EndpointHealth>;
}
