/** From a message's body to its outcome: read it, have its jobs reconciled, say how it ends. The same for every queue. */
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { JobEventSettings } from './job-events.ts';
import type { JobTurns } from './job-turns.ts';
import type { ParsedNotification } from './object-event.ts';
import type { HandleMessage, QueueMessage } from './queue-message.ts';
import { readMessage, retryDelaySeconds } from './settle.ts';

export interface MessageHandlerOptions extends JobEventSettings {
  readonly parse: (message: Pick<QueueMessage, 'body' | 'attributes'>) => ParsedNotification;
  readonly turns: Pick<JobTurns, 'request'>;
  readonly log: Logger;
  /** Hears of every reconcile that failed: that is how an unreachable bucket is noticed. */
  readonly onFailure?: (error: MillraceError) => void;
  /** 0 up to, not including, 1. */
  readonly random?: () => number;
}

/** Never throws: a message whose jobs could not all be reconciled is to be retried, later each time. */
export function createMessageHandler(options: MessageHandlerOptions): HandleMessage {
  const { parse, turns, onFailure, random = Math.random } = options;
  return async (message, signal) => {
    const { id, receiveCount } = message;
    const log = options.log.child({ messageId: id, receiveCount });
    const { jobs, deadLetter } = readMessage(parse(message), options, log);
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
    return deadLetter === undefined ? { kind: 'done' } : { kind: 'dead-letter', error: deadLetter };
  };
}
