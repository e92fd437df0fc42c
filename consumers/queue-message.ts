/** A queue's message in one shape, and what a consumer of any queue offers. */
import type { Outcome } from './settle.ts';

export interface QueueMessage {
  readonly id: string;
  readonly body: string;
  /** When it was sent, in milliseconds since 1970, where the queue says. */
  readonly sentAtMs?: number | undefined;
  /** What stands beside the body: a Pub/Sub notification is in its attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** How often it has been received, this time included. */
  readonly receiveCount: number;
  /** How often it has been sent again from a dead-letter queue. */
  readonly replays: number;
}

/**
 * Works on one message and says how it ends. `signal` is aborted when the message is no longer ours (its lease is lost) or the
 * consumer has to go; what is returned after that is not acted upon.
 */
export type HandleMessage = (message: QueueMessage, signal: AbortSignal) => Promise<Outcome>;

export interface ConsumerStatus {
  readonly running: boolean;
  /** True where nothing is received on purpose. */
  readonly paused: boolean;
  /** When the queue last answered, in milliseconds since 1970; undefined before it first did. For a watchdog. */
  readonly lastPollMs: number | undefined;
  /** Polls in a row that failed, the worst of the pollers. */
  readonly failedPolls: number;
  /** Messages received and not settled yet. */
  readonly inFlight: number;
  /** True where nothing is asked for because it holds as many messages as it may. */
  readonly full: boolean;
}

export interface QueueConsumer {
  start(): void;
  /** Receives nothing more, lets what runs finish and acknowledges it, then resolves; bounded. */
  stop(): Promise<void>;
  /** Receives nothing until `resume`; what is there goes on. */
  pause(): void;
  resume(): void;
  status(): ConsumerStatus;
}
