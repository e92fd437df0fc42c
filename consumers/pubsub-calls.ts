/** The calls that a consumer makes, each bounded in time: the library's own defaults go on for ten minutes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { backOffMs } from './back-off.ts';
import { isTransient, type PubsubClient } from './pubsub-client.ts';

/** What a subscription says of itself. */
export interface SubscriptionFacts {
  readonly topic: string;
  /** Where the service, and so the consumer, sends what nobody can read. */
  readonly deadLetterTopic: string | undefined;
  /** Undefined without a dead-letter policy: deliveries are not counted then. */
  readonly maxDeliveryAttempts: number | undefined;
  /** How long a message that nobody takes is kept. */
  readonly retentionSeconds: number;
  /** Whether the service holds back itself what was not acknowledged. */
  readonly retryDelay: boolean;
  /** Whether the service deletes it once nobody has used it for a while. */
  readonly expires: boolean;
}

const CALL_TIMEOUT_MS = 10_000;
const TRIES = 3;
const BETWEEN_TRIES = { firstMs: 200, maxMs: 1_000 };

const once = (timeoutMs = CALL_TIMEOUT_MS) => ({ timeout: timeoutMs, retry: null });

/** Throws what the client throws. */
export async function readSubscription({ subscriber }: PubsubClient, subscription: string): Promise<SubscriptionFacts> {
  const [found] = await subscriber.getSubscription({ subscription }, once());
  return {
    topic: found.topic ?? '',
    deadLetterTopic: found.deadLetterPolicy?.deadLetterTopic || undefined,
    maxDeliveryAttempts: found.deadLetterPolicy?.maxDeliveryAttempts || undefined,
    retentionSeconds: Number(found.messageRetentionDuration?.seconds ?? 0),
    retryDelay: found.retryPolicy?.minimumBackoff != null,
    expires: found.expirationPolicy?.ttl != null,
  };
}

/** Throws what the client throws. The message is the service's own to deliver again after so many seconds; 0: at once. */
export async function modifyAckDeadline(
  { subscriber }: PubsubClient,
  lease: { readonly subscription: string; readonly ackId: string; readonly seconds: number },
  timeoutMs?: number,
): Promise<void> {
  const { subscription, ackId, seconds } = lease;
  await subscriber.modifyAckDeadline({ subscription, ackIds: [ackId], ackDeadlineSeconds: seconds }, once(timeoutMs));
}

/** Throws what the client throws, after three tries where trying again can help. */
export async function acknowledge({ subscriber }: PubsubClient, subscription: string, ackId: string): Promise<void> {
  await tryAgain(() => subscriber.acknowledge({ subscription, ackIds: [ackId] }, once()));
}

export interface PublishedMessage {
  readonly data: Uint8Array | string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Throws what the client throws, after three tries where trying again can help: the topic may then have it twice. */
export async function publish({ publisher }: PubsubClient, topic: string, message: PublishedMessage): Promise<void> {
  const { data, attributes } = message;
  await tryAgain(() => publisher.publish({ topic, messages: [{ data: Buffer.from(data), attributes }] }, once()));
}

async function tryAgain(call: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await call();
      return;
    } catch (thrown) {
      if (attempt === TRIES || !isTransient(thrown)) throw thrown;
      await sleep(backOffMs(attempt, BETWEEN_TRIES, Math.random));
    }
  }
}
