/** From a message's body to its outcome: read it, have its jobs reconciled, say how it ends. The same for every queue. */
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type SpanAttributes, type Trace, untraced } from '../trace.ts';
import type { JobEventSettings } from './job-events.ts';
import type { JobTurns } from './job-turns.ts';
import type { ObjectEvent, ParsedNotification } from './object-event.ts';
import type { ObserveConsumer } from './observer.ts';
import type { HandleMessage, QueueMessage } from './queue-message.ts';
import { type Outcome, readMessage, retryDelaySeconds } from './settle.ts';

export interface MessageHandlerOptions extends JobEventSettings {
  readonly parse: (message: Pick<QueueMessage, 'body' | 'attributes'>) => ParsedNotification;
  readonly turns: Pick<JobTurns, 'request'>;
  readonly log: Logger;
  /** Hears of every reconcile that failed: that is how an unreachable bucket is noticed. */
  readonly onFailure?: (error: MillraceError) => void;
  readonly observe?: ObserveConsumer | undefined;
  /** Hears of every event that is about a job, once its message has been worked on. */
  readonly onEvent?: ((event: ObjectEvent) => void) | undefined;
  readonly trace?: Trace | undefined;
  /** Which queue it is, in OpenTelemetry's words: `messaging.system`, `messaging.destination.name`. */
  readonly queueAttributes?: SpanAttributes;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
}

/** Never throws: a message whose jobs could not all be reconciled is to be retried, later each time. */
export function createMessageHandler(options: MessageHandlerOptions): HandleMessage {
  const { trace = untraced, observe, now = Date.now, queueAttributes = {} } = options;
  const name = `process ${queueAttributes['messaging.destination.name'] ?? 'queue'}`;
  return (message, signal) => {
    const ageMs = message.sentAtMs === undefined ? undefined : Math.max(0, now() - message.sentAtMs);
    const attributes = {
      ...queueAttributes,
      ...{ 'messaging.operation.type': 'process', 'messaging.operation.name': 'process', 'messaging.message.id': message.id },
    };
    return trace.span(name, { kind: 'consumer', parent: null, attributes }, async (span) => {
      const outcome = await handle(options, message, signal);
      observe?.('message handled', { outcome: outcome.kind, ageMs });
      span.set({ 'millrace.outcome': outcome.kind, ...(outcome.kind === 'done' ? {} : { 'error.type': outcome.error.code }) });
      return outcome;
    });
  };
}

async function handle(options: MessageHandlerOptions, message: QueueMessage, signal: AbortSignal): Promise<Outcome> {
  const { parse, turns, onFailure, onEvent, observe, random = Math.random } = options;
  const { id, receiveCount } = message;
  const log = options.log.child({ messageId: id, receiveCount });
  const { events, jobs, deadLetter } = readMessage(parse(message), options, log);
  for (const { event, outcome } of events) observe?.('event read', { source: event.source, outcome });
  const turnsTaken = await Promise.allSettled(jobs.map((job) => turns.request(job, signal)));
  const failures = turnsTaken.flatMap((turn) => (turn.status === 'rejected' ? [asMillraceError(turn.reason)] : []));
  const [failure] = failures;
  if (failure !== undefined) {
    for (const error of failures) {
      if (error.code !== 'CANCELLED') log.warn({ error }, 'a reconcile failed');
      onFailure?.(error);
    }
    return { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, random), error: failure };
  }
  // Not before: the message comes again, and its events with it.
  for (const { event, outcome } of events) if (outcome === 'job') onEvent?.(event);
  return deadLetter === undefined ? { kind: 'done' } : { kind: 'dead-letter', error: deadLetter };
}
