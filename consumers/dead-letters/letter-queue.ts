/** What replaying needs of a queue, or of a file that stands for one: where letters come from, and where they go. */
import type { MillraceError } from '../../errors.ts';
import type { DeadLetter } from './dead-letter.ts';

export interface TakenLetter {
  readonly letter: DeadLetter;
  /** By which another run knows the same letter: its id, in a queue. */
  readonly key: string;
  /** The source's own handle. */
  readonly receipt: string;
}

/** Why one of them failed; undefined for each that did not. In the order of what was given. */
export type Outcomes = readonly (MillraceError | undefined)[];

export interface LetterSource {
  /** For people and the audit: a URL without secrets, a subscription, a file. */
  readonly name: string;
  /** Letters that this object has not given out before; none once there are no more to be had. Throws where it cannot be read. */
  take(most: number, signal: AbortSignal): Promise<readonly TakenLetter[]>;
  /** Lets them stay, out of the way until `close`. Every letter taken must be held or removed. */
  hold(letters: readonly TakenLetter[]): Promise<void>;
  remove(letters: readonly TakenLetter[]): Promise<Outcomes>;
  state(): Promise<SourceState>;
  /** Puts back everything that is held. */
  close(): Promise<void>;
}

export interface SourceState {
  /** All, or about all; undefined where the queue does not say. */
  readonly letters: number | undefined;
  /** Those that somebody else holds, or a command that was killed a moment ago. */
  readonly hidden: number | undefined;
  /** What its reader should know before relying on what `take` gives, one sentence each. */
  readonly warnings: readonly string[];
}

export interface OutgoingLetter {
  readonly letter: DeadLetter;
  readonly key: string;
  /** What it carries from now on. */
  readonly replays: number;
}

export interface LetterSink {
  readonly name: string;
  /** At most so many at once. */
  readonly maxBatch: number;
  /** What whoever sends there should know, one sentence each. */
  readonly warnings: readonly string[];
  /** Throws where nobody can say which of them were taken. */
  send(letters: readonly OutgoingLetter[]): Promise<Outcomes>;
}
