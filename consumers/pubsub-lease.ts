/** The lease of one Pub/Sub message. */
import { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { modifyAckDeadline } from './pubsub-calls.ts';
import { type PubsubClient, type PubsubStatus, pubsubError, statusOf } from './pubsub-client.ts';

export interface LeaseOptions {
  readonly client: PubsubClient;
  readonly subscription: string;
  readonly ackId: string;
  /** 10 to 600: Pub/Sub's limits. */
  readonly ackDeadlineSeconds: number;
  readonly log: Logger;
}

export interface Lease {
  /** Aborted when the message is no longer ours. */
  readonly lost: AbortSignal;
  /** By the clock: false too where this process slept through the end of the lease and nobody has told it yet. */
  isHeld(): boolean;
  /** Extends no more; resolves once no extension is under way. */
  release(): Promise<void>;
}

/** Three tries to extend a lease before it ends. */
const EXTENSIONS_PER_LEASE = 3;

/** The subscription is gone, or does not know the id: an emulator that was started again, or exactly-once delivery after the lease. */
const GONE: ReadonlySet<PubsubStatus | undefined> = new Set(['INVALID_ARGUMENT', 'NOT_FOUND', 'FAILED_PRECONDITION']);

/**
 * Extends the message's deadline until released, from its receipt on. Without exactly-once delivery the service answers OK to the
 * extension of a lease that has ended: only extensions that fail for as long as the lease tell of its loss then.
 */
export function holdLease({ client, subscription, ackId, ackDeadlineSeconds, log }: LeaseOptions): Lease {
  const lost = new AbortController();
  const lengthMs = ackDeadlineSeconds * 1000;
  const intervalMs = lengthMs / EXTENSIONS_PER_LEASE;
  let endsAtMs = performance.now() + lengthMs;
  let isReleased = false;
  let extending: Promise<void> | undefined;

  const extend = async () => {
    const sentAtMs = performance.now();
    try {
      await modifyAckDeadline(client, { subscription, ackId, seconds: ackDeadlineSeconds }, intervalMs);
      endsAtMs = sentAtMs + lengthMs;
    } catch (thrown) {
      if (isReleased) return;
      const error = pubsubError(thrown, 'to extend the lease of a message');
      if (!GONE.has(statusOf(thrown)) && performance.now() < endsAtMs) {
        log.warn({ error }, 'the lease of a message could not be extended; trying again');
        return;
      }
      clearInterval(timer);
      log.warn({ error }, 'the lease of a message is lost: its work is stopped');
      lost.abort(new MillraceError('CANCELLED', 'the lease of the message is lost'));
    }
  };
  const timer = setInterval(() => {
    extending ??= extend().finally(() => {
      extending = undefined;
    });
  }, intervalMs);

  return {
    lost: lost.signal,
    isHeld: () => performance.now() < endsAtMs,
    async release() {
      isReleased = true;
      clearInterval(timer);
      // An extension that arrives after the message's end would undo the delay of a retry.
      await extending;
    },
  };
}
