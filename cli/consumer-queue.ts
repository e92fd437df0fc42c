/** The consumer of the queue that the settings name, whichever of the three it is. */
import { type Config, requireVariables } from '../config.ts';
import type { HandleMessage, QueueConsumer } from '../consumers/queue-message.ts';
import type { QueueDepth } from '../consumers/sqs-depth.ts';
import type { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { SpanAttributes } from '../trace.ts';
import { type QueueAddress, queueAddress, refuseOneQueue } from './queue-address.ts';
import { cloudflareClient, pubsubClient, sqsClient } from './queue-clients.ts';

export interface ConsumerQueueOptions {
  readonly handle: HandleMessage;
  readonly log: Logger;
  readonly stopTimeoutMs: number;
  readonly onDeadLetter?: (error: MillraceError) => void;
  /** The longest that a poll is held open, or that a queue without long polling is left alone while it is empty. */
  readonly waitTimeSeconds?: number;
}

export interface ConsumerQueue {
  readonly kind: QueueAddress['kind'];
  readonly consumer: QueueConsumer;
  /** How many messages it and its dead-letter queue hold; undefined for a queue that does not tell. */
  readonly depth?: () => Promise<QueueDepth>;
  /** To be called once the consumer has stopped. */
  close(): Promise<void>;
}

/** Throws CONFIG_INVALID where the settings name no queue, or queues of two kinds. */
export async function createConsumerQueue(config: Config, options: ConsumerQueueOptions): Promise<ConsumerQueue> {
  const { handle, log, stopTimeoutMs, waitTimeSeconds, onDeadLetter } = options;
  const { MILLRACE_QUEUE_URL: url } = requireVariables(config, ['MILLRACE_QUEUE_URL']);
  const address = queueAddress(url, 'MILLRACE_QUEUE_URL');
  const common = { handle, log, stopTimeoutMs, ...(onDeadLetter === undefined ? {} : { onDeadLetter }) };
  const leaseSeconds = config.MILLRACE_VISIBILITY_TIMEOUT_SECONDS;
  switch (address.kind) {
    case 'sqs': {
      const { createSqsConsumer } = await import('../consumers/sqs.ts');
      const dead = deadLetters(config, 'sqs');
      const client = await sqsClient(config, address.url);
      const consumer = createSqsConsumer({
        ...common,
        client,
        queueUrl: address.url,
        visibilityTimeoutSeconds: leaseSeconds,
        ...(dead === undefined ? {} : { deadLetterQueueUrl: dead.url }),
        ...(waitTimeSeconds === undefined ? {} : { waitTimeSeconds }),
      });
      const { readSqsDepth } = await import('../consumers/sqs-depth.ts');
      const depth = () => readSqsDepth(client, address.url, dead?.url);
      return { kind: 'sqs', consumer, depth, close: async () => client.destroy() };
    }
    case 'cloudflare': {
      const { createCloudflareConsumer } = await import('../consumers/cloudflare-queues.ts');
      const dead = deadLetters(config, 'cloudflare');
      const consumer = createCloudflareConsumer({
        ...common,
        client: await cloudflareClient(config, address.url),
        visibilityTimeoutSeconds: leaseSeconds,
        ...(dead === undefined ? {} : { deadLetterClient: await cloudflareClient(config, dead.url) }),
        ...(waitTimeSeconds === undefined ? {} : { maxIdlePauseMs: waitTimeSeconds * 1000 }),
      });
      return { kind: 'cloudflare', consumer, close: async () => undefined };
    }
    case 'pubsub': {
      const { createPubsubConsumer } = await import('../consumers/pubsub.ts');
      const dead = deadLetters(config, 'pubsub');
      const client = await pubsubClient(config, address.project);
      const consumer = createPubsubConsumer({
        ...common,
        client,
        subscription: address.subscription,
        ackDeadlineSeconds: leaseSeconds,
        ...(dead === undefined ? {} : { deadLetterSubscription: dead.subscription }),
      });
      return { kind: 'pubsub', consumer, close: () => client.close() };
    }
  }
}

const MESSAGING_SYSTEMS: Readonly<Record<QueueAddress['kind'], string>> = {
  sqs: 'aws.sqs',
  cloudflare: 'cloudflare.queues',
  pubsub: 'gcp.pubsub',
};

/** The settings' queue in OpenTelemetry's words: its own name without the account; for Cloudflare the id is all that the address has. */
export function queueAttributes(config: Config): SpanAttributes {
  const { MILLRACE_QUEUE_URL: url } = requireVariables(config, ['MILLRACE_QUEUE_URL']);
  const address = queueAddress(url, 'MILLRACE_QUEUE_URL');
  const path = address.kind === 'pubsub' ? address.subscription : new URL(address.url).pathname;
  const name = path.split('/').findLast((part) => part !== '') ?? address.kind;
  return { 'messaging.system': MESSAGING_SYSTEMS[address.kind], 'messaging.destination.name': name };
}

type AddressOf<K extends QueueAddress['kind']> = Extract<QueueAddress, { kind: K }>;

function deadLetters<K extends QueueAddress['kind']>(config: Config, kind: K): AddressOf<K> | undefined {
  const text = config.MILLRACE_DEAD_LETTER_QUEUE_URL;
  if (text === undefined) return undefined;
  refuseOneQueue(text, config.MILLRACE_QUEUE_URL);
  return queueAddress(text, 'MILLRACE_DEAD_LETTER_QUEUE_URL', kind);
}
