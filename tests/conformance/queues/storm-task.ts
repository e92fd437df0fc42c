/** What one of a storm's consumers is told. Plain data. */
import type { QueueAddress } from './queue-peer.ts';
import type { Fate } from './storm-plan.ts';

export interface StormTask {
  readonly address: QueueAddress;
  readonly leaseSeconds: number;
  readonly folder: string;
  readonly fates: readonly Fate[];
}

/** Reconciles at once in each process. */
export const CONCURRENCY = 4;
