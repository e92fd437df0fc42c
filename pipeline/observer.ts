/**
 * What the pipeline tells whoever counts: one line per event, told after it has happened. Whoever listens must not throw and must not
 * wait. Names of stages are the pipeline's authors' own words: whoever makes labels of them has to bound them.
 */
import type { ErrorCode } from '../errors.ts';
import type { WebhookEvent, WebhookOutcome } from '../manifests/webhook-event.ts';
import type { RunOutcome } from './dispatch-run.ts';
import type { EndpointHealth } from './dispatcher.ts';

export interface PipelineEvents {
  /** `lost`: another consumer had claimed all of it. `failed`: RunPod will never take it. */
  'run requested': {
    readonly stage: string;
    readonly endpoint: string;
    readonly items: number;
    readonly outcome: RunOutcome['kind'];
  };
  /** By endpoint, all jobs' and consumers' together; endpoints without any are not in it. */
  'slots counted': { readonly taken: ReadonlyMap<string, number> };
  'problem written': { readonly code: ErrorCode };
  'webhook sent': { readonly event: WebhookEvent['event']; readonly outcome: WebhookOutcome };
  /** A sweep that was this consumer's has ended. `audited` is null where no audit was due. */
  swept: {
    readonly durationMs: number;
    readonly woken: number;
    readonly settled: number;
    readonly cleared: number;
    readonly audited: number | null;
  };
  /** Runs wait there past their patience. `health` is null where RunPod could not be asked. Told within a sweep, before its end. */
  'endpoint stuck': { readonly endpoint: string; readonly queued: number; readonly health: EndpointHealth | null };
}

/** A function that knows more events than these will do too. */
export type Observe = (...told: Told<PipelineEvents>) => void;

/** An event's name and what belongs to it, for any one of the events. */
export type Told<Events> = { [E in keyof Events]: [event: E, about: Events[E]] }[keyof Events];

/** What takes one: nothing is told without. */
export interface Observed {
  readonly observe?: Observe | undefined;
}
