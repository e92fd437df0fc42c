/** The dead-letter queue that the settings name, and the queue whose letters they were. */
import { type Config, requireVariables } from '../../config.ts';
import type { LetterSink, LetterSource } from '../../consumers/dead-letters/letter-queue.ts';
import { type QueueAddress, queueAddress, refuseOneQueue } from '../queue-address.ts';
import { cloudflareClient, pubsubClient, sqsClient } from '../queue-clients.ts';

export interface LettersOptions {
  /** Waits at the end for letters that a killed command had in hand, where the queue says that there are such. */
  readonly waitForHidden: boolean;
  readonly onWaiting?: (hidden: number, seconds: number) => void;
  /** Of SQS: how long a poll waits for letters; 0 for a queue that is one server. */
  readonly pollSeconds?: number;
}

/** Throws CONFIG_INVALID where MILLRACE_DEAD_LETTER_QUEUE_URL is missing or names no queue. */
export async function openDeadLetters(config: Config, options: LettersOptions): Promise<LetterSource> {
  const address = deadLetterAddress(config);
  const pipelinesPrefix = config.MILLRACE_PIPELINES_PREFIX;
  switch (address.kind) {
    case 'sqs': {
      const { createSqsLetters } = await import('../../consumers/dead-letters/sqs.ts');
      const client = await sqsClient(config, address.url);
      const letters = createSqsLetters({ client, queueUrl: address.url, pipelinesPrefix, ...options });
      return closingToo(letters, async () => client.destroy());
    }
    case 'cloudflare': {
      const { createCloudflareLetters } = await import('../../consumers/dead-letters/cloudflare.ts');
      const client = await cloudflareClient(config, address.url);
      return createCloudflareLetters({ client, queueUrl: address.url, pipelinesPrefix });
    }
    case 'pubsub': {
      const { createPubsubLetters } = await import('../../consumers/dead-letters/pubsub.ts');
      const client = await pubsubClient(config, address.project);
      const letters = createPubsubLetters({ client, subscription: address.subscription, pipelinesPrefix });
      return closingToo(letters, () => client.close());
    }
  }
}

export type OpenSink = LetterSink & { close(): Promise<void> };

/** Where letters are sent again. Throws CONFIG_INVALID where MILLRACE_QUEUE_URL is missing or names no queue. */
export async function openMainQueue(config: Config): Promise<OpenSink> {
  const address = mainAddress(config);
  switch (address.kind) {
    case 'sqs': {
      const { createSqsSink } = await import('../../consumers/dead-letters/sqs-sink.ts');
      const client = await sqsClient(config, address.url);
      return { ...createSqsSink(client, address.url), close: async () => client.destroy() };
    }
    case 'cloudflare': {
      const { createCloudflareSink } = await import('../../consumers/dead-letters/cloudflare-sink.ts');
      const sink = createCloudflareSink(await cloudflareClient(config, address.url), address.url);
      return { ...sink, close: async () => undefined };
    }
    case 'pubsub': {
      const { createPubsubSink } = await import('../../consumers/dead-letters/pubsub-sink.ts');
      const client = await pubsubClient(config, address.project);
      try {
        return { ...(await createPubsubSink(client, address.subscription)), close: () => client.close() };
      } catch (thrown) {
        await client.close();
        throw thrown;
      }
    }
  }
}

export function deadLetterAddress(config: Config): QueueAddress {
  const { MILLRACE_DEAD_LETTER_QUEUE_URL: text } = requireVariables(config, ['MILLRACE_DEAD_LETTER_QUEUE_URL']);
  refuseOneQueue(text, config.MILLRACE_QUEUE_URL);
  return queueAddress(text, 'MILLRACE_DEAD_LETTER_QUEUE_URL');
}

export function mainAddress(config: Config): QueueAddress {
  const { MILLRACE_QUEUE_URL: text } = requireVariables(config, ['MILLRACE_QUEUE_URL']);
  return queueAddress(text, 'MILLRACE_QUEUE_URL');
}

function closingToo(source: LetterSource, close: () => Promise<void>): LetterSource {
  return {
    ...source,
    async close() {
      await source.close();
      await close();
    },
  };
}
