/** How a message ends. Ends are values: what a queue does with each of them is in that queue's file. */
import type { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { backOffMs } from './back-off.ts';
import { type JobEventSettings, type JobOfEvent, jobOfEvent } from './job-events.ts';
import type { ObjectEvent, ParsedNotification } from './object-event.ts';

export type Outcome =
  /** Acknowledge. */
  | { readonly kind: 'done' }
  /** Leave it on the queue, hidden for so long. */
  | { readonly kind: 'retry'; readonly delaySeconds: number; readonly error: MillraceError }
  /** Nobody can ever read it: to the dead-letter queue at once, with its reason. */
  | { readonly kind: 'dead-letter'; readonly error: MillraceError };

/** What a message asks for. */
export interface MessageReading {
  /** Every event in it, and what it came to. */
  readonly events: readonly { readonly event: ObjectEvent; readonly outcome: JobOfEvent['kind'] }[];
  /** Jobs to look at again, each once, in the order in which they came. */
  readonly jobs: readonly string[];
  /** Set where the message belongs in the dead-letter queue, after its jobs (if any) have been looked at. */
  readonly deadLetter: MillraceError | undefined;
}

export function readMessage(parsed: ParsedNotification, settings: JobEventSettings, log: Logger): MessageReading {
  if (parsed.kind === 'unreadable') return { events: [], jobs: [], deadLetter: parsed.error };
  if (parsed.kind === 'ignored') {
    log.info({ reason: parsed.reason }, 'message acknowledged unread');
    return { events: [], jobs: [], deadLetter: undefined };
  }
  const jobs = new Set<string>();
  const events: { event: ObjectEvent; outcome: JobOfEvent['kind'] }[] = [];
  let deadLetter: MillraceError | undefined;
  for (const event of parsed.events) {
    const meaning = jobOfEvent(event, settings);
    events.push({ event, outcome: meaning.kind });
    if (meaning.kind === 'job') jobs.add(meaning.job);
    else if (meaning.kind === 'ignored') log.debug({ key: event.key, reason: meaning.reason }, 'event ignored');
    // A bad job id can be repaired by nobody: the object's owner sees that nothing happens, the operator this line.
    else if (meaning.error.code === 'KEY_INVALID') log.warn({ error: meaning.error }, 'event ignored');
    else deadLetter ??= meaning.error;
  }
  return { events, jobs: [...jobs], deadLetter };
}

const RETRY_DELAYS = { firstMs: 2_000, maxMs: 900_000 };

/**
 * How long a message that failed for the `receiveCount`-th time stays hidden: twice as long each time, up to fifteen minutes, and
 * between half and all of that, so that messages which failed together do not come back together.
 */
export function retryDelaySeconds(receiveCount: number, random: () => number): number {
  return Math.ceil(backOffMs(receiveCount, RETRY_DELAYS, random) / 1000);
}
