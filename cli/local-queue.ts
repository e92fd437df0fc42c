/** The queue of a local stack: a stand-in or an emulator of one of the three, and the bucket's notifications in that cloud's own words. */
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { QueueNotification } from '../local/bucket/notifications.ts';
import type { Logger } from '../log.ts';

export const QUEUE_KINDS = ['sqs', 'cloudflare', 'pubsub'] as const;
export type QueueKind = (typeof QUEUE_KINDS)[number];

export interface LocalQueueOptions {
  readonly dataDir: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  /** For Cloudflare's API. */
  readonly apiToken: string;
  /** The local bucket's: Cloudflare's API shows them too. */
  readonly notificationsOf: (bucket: string) => readonly QueueNotification[];
  readonly log: Logger;
}

export interface LocalQueue {
  readonly description: {
    readonly kind: QueueKind;
    /** As MILLRACE_QUEUE_URL and MILLRACE_DEAD_LETTER_QUEUE_URL name them. */
    readonly url: string;
    readonly deadLetterUrl: string;
    readonly endpoint: string;
  };
  readonly port: number;
  /** What Google calls the queue's side of the bucket: the notification's topic. */
  readonly topic?: string;
  /** What a consumer needs beside the two URLs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves once the queue has what this S3 notification says, in its own cloud's words. */
  deliver(notification: string): Promise<void>;
  close(): Promise<void>;
}

const QUEUE = 'millrace';
const DEAD_LETTER_QUEUE = 'millrace-dead-letters';
const MAX_RECEIVE_COUNT = 5;
/** Longer than the queue's: a dead letter keeps the time of its first sending. */
const DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 3600;
const QUEUE_RETENTION_SECONDS = 4 * 24 * 3600;
/** Of the emulator, which needs no account. */
const PROJECT = 'local';
const ACCOUNT = 'local';

export function startLocalQueue(kind: QueueKind, options: LocalQueueOptions): Promise<LocalQueue> {
  switch (kind) {
    case 'sqs':
      return startSqs(options);
    case 'cloudflare':
      return startCloudflare(options);
    case 'pubsub':
      return startPubsub(options);
  }
}

async function startSqs({ dataDir, port, accessKeyId, secretAccessKey, region, log }: LocalQueueOptions): Promise<LocalQueue> {
  const [{ CreateQueueCommand, SQSClient }, { startQueue }] = await Promise.all([
    import('@aws-sdk/client-sqs'),
    import('../local/queue/queue.ts'),
  ]);
  const credentials = { accessKeyId, secretAccessKey };
  const queue = await startQueue({ dataDir: join(dataDir, 'queue'), port, ...credentials, region, log });
  const client = new SQSClient({ endpoint: queue.endpoint, region, credentials });
  const create = async (QueueName: string, Attributes: Record<string, string>): Promise<string> => {
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    return QueueUrl;
  };
  const arnOf = (name: string) => `arn:aws:sqs:${region}:000000000000:${name}`;
  try {
    const deadLetterUrl = await create(DEAD_LETTER_QUEUE, { MessageRetentionPeriod: String(DEAD_LETTER_RETENTION_SECONDS) });
    const url = await create(QUEUE, {
      MessageRetentionPeriod: String(QUEUE_RETENTION_SECONDS),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arnOf(DEAD_LETTER_QUEUE), maxReceiveCount: MAX_RECEIVE_COUNT }),
    });
    return {
      description: { kind: 'sqs', url, deadLetterUrl, endpoint: queue.endpoint },
      port: Number(new URL(queue.endpoint).port),
      environment: { MILLRACE_QUEUE_REGION: region },
      deliver: (notification) => queue.sendToArn(arnOf(QUEUE), notification),
      close: () => queue.close(),
    };
  } catch (thrown) {
    await queue.close();
    throw thrown;
  } finally {
    client.destroy();
  }
}

async function startCloudflare(options: LocalQueueOptions): Promise<LocalQueue> {
  const { dataDir, port, apiToken, notificationsOf, log } = options;
  const [{ startCloudflareQueue }, { r2Messages }] = await Promise.all([
    import('../local/cloudflare-queue/cloudflare-queue.ts'),
    import('../local/cloudflare-queue/r2-message.ts'),
  ]);
  const queue = await startCloudflareQueue({
    dataDir: join(dataDir, 'cloudflare-queue'),
    port,
    accountId: ACCOUNT,
    token: apiToken,
    queues: [
      {
        ...{ name: QUEUE, maxRetries: MAX_RECEIVE_COUNT - 1, deadLetterQueue: DEAD_LETTER_QUEUE },
        retentionSeconds: QUEUE_RETENTION_SECONDS,
      },
      { name: DEAD_LETTER_QUEUE, retentionSeconds: DEAD_LETTER_RETENTION_SECONDS },
    ],
    notificationsOf,
    log,
  });
  return {
    description: {
      kind: 'cloudflare',
      url: queue.urlOf(QUEUE),
      deadLetterUrl: queue.urlOf(DEAD_LETTER_QUEUE),
      endpoint: queue.endpoint,
    },
    port: queue.port,
    environment: { CLOUDFLARE_API_TOKEN: apiToken },
    async deliver(notification) {
      for (const message of r2Messages(notification, ACCOUNT)) await queue.send(QUEUE, message);
    },
    close: () => queue.close(),
  };
}

/** The emulator keeps everything in memory: what was queued is gone at the next start, and the audit finds it. */
async function startPubsub({ port: wanted, log }: LocalQueueOptions): Promise<LocalQueue> {
  const [{ createPubsubClient }, { publish }, { startPubsubEmulator }, { createLocalTopics }, { gcsMessages }] =
    await Promise.all([
      import('../consumers/pubsub-client.ts'),
      import('../consumers/pubsub-calls.ts'),
      import('../local/pubsub/emulator.ts'),
      import('../local/pubsub/topics.ts'),
      import('../local/pubsub/gcs-message.ts'),
    ]);
  const port = wanted === 0 ? await freePort() : wanted;
  const emulator = await startPubsubEmulator({ port, log });
  const client = createPubsubClient({ projectId: PROJECT, emulatorHost: emulator.host });
  const close = async () => {
    await client.close();
    await emulator.stop();
  };
  try {
    const topics = await createLocalTopics({ client, name: QUEUE, maxDeliveryAttempts: MAX_RECEIVE_COUNT });
    return {
      description: {
        kind: 'pubsub',
        url: topics.subscription,
        deadLetterUrl: topics.deadLetterSubscription,
        endpoint: emulator.host,
      },
      port,
      topic: topics.topic,
      environment: { PUBSUB_EMULATOR_HOST: emulator.host },
      async deliver(notification) {
        for (const message of gcsMessages(notification)) await publish(client, topics.topic, message);
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address === null || typeof address === 'string' ? reject(new Error('no free port')) : resolve(address.port),
      );
    });
  });
}
