/** What consumers tell whoever counts, beside what the pipeline does: one line per event. */
import type { ErrorCode } from '../errors.ts';
import type { MeasuredResult } from '../pipeline/measured-result.ts';
import type { PipelineEvents, Told } from '../pipeline/observer.ts';
import type { EventSource } from './object-event.ts';
import type { Outcome } from './settle.ts';

export interface ConsumerEvents extends PipelineEvents {
  /** `ageMs`: from its sending until this consumer began with it; undefined where the queue does not say when it was sent. */
  'message handled': { readonly outcome: Outcome['kind']; readonly ageMs: number | undefined };
  'event read': { readonly source: EventSource; readonly outcome: 'job' | 'ignored' | 'refused' };
  /** The dead-letter queue has it, and this consumer put it there. */
  'message dead-lettered': { readonly code: ErrorCode };
  reconciled: { readonly durationMs: number; readonly code: ErrorCode | null };
  /** Each result once, as far as one consumer can know. */
  'result read': MeasuredResult;
  'result skipped': { readonly reason: 'busy' | 'unreadable' };
  'sweep tried': { readonly outcome: 'swept' | 'elsewhere' | 'failed' };
}

export type ObserveConsumer = (...told: Told<ConsumerEvents>) => void;
