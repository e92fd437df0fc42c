/** The production parts of a consumer, for any of the queues. */

import { createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import { createCloudflareConsumer } from '../../../consumers/cloudflare-queues.ts';
import type { JobTurns } from '../../../consumers/job-turns.ts';
import { createMessageHandler } from '../../../consumers/message-handler.ts';
import { parseNotification } from '../../../consumers/notifications/notification.ts';
import { createPubsubConsumer } from '../../../consumers/pubsub.ts';
import { createPubsubClient } from '../../../consumers/pubsub-client.ts';
import type { HandleMessage, QueueConsumer } from '../../../consumers/queue-message.ts';
import { createSqsConsumer } from '../../../consumers/sqs.ts';
import { createSqsClient } from '../../../consumers/sqs-client.ts';
import type { MillraceError } from '../../../errors.ts';
import { type Logger, silentLogger } from '../../../log.ts';
import { BUCKET, type QueueAddress } from './queue-peer.ts';

export interface ConsumerSettings {
  readonly leaseSeconds: number;
  readonly handle: HandleMessage;
  readonly stopTimeoutMs?: number;
  readonly log?: Logger;
}

export interface ConsumerUnderTest extends QueueConsumer {
  /** After `stop`: ends connections. */
  close(): Promise<void>;
}

const PAUSES = { firstPauseMs: 100, maxPauseMs: 1_000 };
const DEFAULT_STOP_TIMEOUT_MS = 10_000;

export function createConsumer(address: QueueAddress, settings: ConsumerSettings): ConsumerUnderTest {
  const { handle, leaseSeconds, stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS, log = silentLogger } = settings;
  const shared = { handle, stopTimeoutMs, log, ...PAUSES };
  if (address.kind === 'sqs') {
    const { endpoint, queueUrl, ...credentials } = address;
    const client = createSqsClient({ endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
    const consumer = createSqsConsumer({
      ...shared,
      client,
      queueUrl,
      visibilityTimeoutSeconds: leaseSeconds,
      waitTimeSeconds: 1,
    });
    return { ...consumer, close: async () => client.destroy() };
  }
  if (address.kind === 'cloudflare') {
    const consumer = createCloudflareConsumer({
      ...shared,
      client: createCloudflareClient(address),
      visibilityTimeoutSeconds: leaseSeconds,
      firstIdlePauseMs: 20,
      maxIdlePauseMs: 200,
    });
    return { ...consumer, close: async () => undefined };
  }
  const client = createPubsubClient(address);
  const consumer = createPubsubConsumer({
    ...shared,
    client,
    subscription: address.subscription,
    ackDeadlineSeconds: leaseSeconds,
  });
  return { ...consumer, close: () => client.close() };
}

export interface HandlerSettings {
  readonly turns: Pick<JobTurns, 'request'>;
  readonly onFailure?: (error: MillraceError) => void;
  readonly log?: Logger;
}

/** What fails often would wait for minutes: a queue that cannot be counted would look empty. */
export const MAX_DELAY_SECONDS = 2;

export function createHandler({ turns, onFailure, log = silentLogger }: HandlerSettings): HandleMessage {
  const handle = createMessageHandler({
    bucket: BUCKET,
    pipelinesPrefix: 'pipelines',
    parse: parseNotification,
    turns,
    log,
    ...(onFailure === undefined ? {} : { onFailure }),
  });
  return async (message, signal) => {
    const outcome = await handle(message, signal);
    if (outcome.kind !== 'retry') return outcome;
    return { ...outcome, delaySeconds: Math.min(outcome.delaySeconds, MAX_DELAY_SECONDS) };
  };
}
