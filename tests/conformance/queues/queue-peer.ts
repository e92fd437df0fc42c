/** A server with queues, as the suite sees it. */

/** How a consumer reaches one queue. Plain data: it travels to a child process. */
export type QueueAddress =
  | {
      readonly kind: 'sqs';
      readonly endpoint: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly queueUrl: string;
    }
  | { readonly kind: 'cloudflare'; readonly queueUrl: string; readonly token: string }
  | {
      readonly kind: 'pubsub';
      readonly projectId: string;
      readonly emulatorHost: string;
      readonly subscription: string;
    };

export interface DeadLetter {
  /** As it was first sent, without a note around it. */
  readonly body: string;
  /** What stands beside it; the note's fields are among them. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface TestQueue {
  readonly address: QueueAddress;
  /** One notification a key, in the form of this queue's own cloud. */
  sendEvents(keys: readonly string[]): Promise<void>;
  /** Messages that no consumer can read. */
  sendTexts(texts: readonly string[]): Promise<void>;
  /** Messages that wait, are hidden or are being worked on; undefined where the server does not count. */
  count(): Promise<number | undefined>;
  /** Receives, as another consumer would, what comes within so long, and returns the bodies or, for events, the keys. */
  drain(forMs: number): Promise<string[]>;
  /** All there are; asked again, those that have come since may be all that is answered. */
  takeDeadLetters(): Promise<DeadLetter[]>;
}

export interface QueueTraits {
  /** The shortest lease that the server is good for. */
  readonly leaseSeconds: number;
  /** How large a storm the server withstands in less than a minute. */
  readonly storm: { readonly jobs: number; readonly eventsPerJob: number };
  /** Fewest receives that a redrive or dead-letter policy can allow. */
  readonly minMaxReceives: number;
}

export interface QueuePeer {
  readonly traits: QueueTraits;
  /** A fresh queue with a dead-letter queue to which messages go after so many receives. */
  newQueue(maxReceives: number): Promise<TestQueue>;
  /** Nobody reaches the server, and every connection to it has ended. What it holds is kept. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** The bucket that the notifications name. */
export const BUCKET = 'videos';
