/** What the API is given: it reads no environment, and knows no queue and no RunPod but through this. */
import type { LetterSink, LetterSource } from '../consumers/dead-letters/letter-queue.ts';
import type { Logger } from '../log.ts';
import type { Prices } from '../pipeline/cost.ts';
import type { Dispatcher } from '../pipeline/dispatcher.ts';
import type { JobPlanner } from '../pipeline/job-plan.ts';
import type { GuardedFetch } from '../storage/guarded-fetch.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Trace } from '../trace.ts';

/** Where `s3://` objects can be read without keys. */
export interface PublicAddress {
  readonly baseUrl: string;
  /** The only bucket behind it; any, where it is not given. */
  readonly bucket?: string;
  /** May go to this address, whatever kind it is: the operator named it. */
  readonly fetch: GuardedFetch;
}

export interface DeadLetterQueues {
  /** Of the dead-letter queue. Whoever opens it closes it. */
  openLetters(): Promise<LetterSource>;
  /** The queue that they are sent to again. */
  openSink(): Promise<LetterSink & { close(): Promise<void> }>;
  readonly auditFile: string;
}

export interface ApiParts {
  readonly planner: JobPlanner;
  /** False where this program has no keys of the bucket: then only the status of segments is known, through the public address. */
  readonly hasCredentials: boolean;
  readonly storeFor: (scheme: 's3' | 'gs', bucket: string) => ObjectStore;
  readonly publicAddress: PublicAddress | undefined;
  /** For addresses that requests name. */
  readonly fetch: GuardedFetch;
  /** Resolves once a look at the job that began after the call has succeeded; undefined where RunPod is not set up. */
  readonly reconcile: ((job: string, signal?: AbortSignal) => Promise<void>) | undefined;
  /** Undefined where RunPod is not set up. */
  readonly runpod: Pick<Dispatcher, 'status' | 'health'> | undefined;
  /** None of them: costs are in seconds alone. */
  readonly prices: Prices;
  /** Undefined where requests are not traced. */
  readonly trace: Trace | undefined;
  /** Undefined where no dead-letter queue is named. */
  readonly deadLetters: DeadLetterQueues | undefined;
  /** A new text every time, hex or digits. */
  readonly randomId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}
