/** SQS's API: the embedded queue, and moto. */
import { randomUUID } from 'node:crypto';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { createSqsClient } from '../../../consumers/sqs-client.ts';
import { BUCKET, type DeadLetter, type QueuePeer, type QueueTraits, type TestQueue } from './queue-peer.ts';

export interface SqsServer {
  /** For the consumer. */
  readonly endpoint: string;
  /** For the suite; may be another way to the same server. */
  readonly directEndpoint: string;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

export const CREDENTIALS = { accessKeyId: 'conformance', secretAccessKey: 'conformance-secret' };
export const REGION = 'us-east-1';

const MAX_BATCH = 10;
const POLL_SECONDS = 1;
/** A server that is about to come back. */
const MAX_ATTEMPTS = 5;

export function createSqsPeer(server: SqsServer, traits: QueueTraits): QueuePeer {
  const connection = { endpoint: server.directEndpoint, region: REGION, credentials: CREDENTIALS };
  const client = createSqsClient({ ...connection, maxAttempts: MAX_ATTEMPTS });

  async function create(name: string, Attributes: Record<string, string>): Promise<string> {
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `${name}-${randomUUID()}`, Attributes }));
    if (QueueUrl === undefined) throw new Error('a queue without a URL');
    return QueueUrl;
  }

  return {
    traits,
    async newQueue(maxReceives) {
      const deadLettersUrl = await create('dead', {});
      const deadLetterTargetArn = (await attributesOf(client, deadLettersUrl, ['QueueArn'])).QueueArn;
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: maxReceives });
      const queueUrl = await create('events', { RedrivePolicy });
      return testQueue(client, server.endpoint, queueUrl, deadLettersUrl);
    },
    goAway: server.goAway,
    comeBack: server.comeBack,
    async stop() {
      client.destroy();
      await server.stop();
    },
  };
}

function testQueue(client: SQSClient, endpoint: string, queueUrl: string, deadLettersUrl: string): TestQueue {
  async function send(bodies: readonly string[]): Promise<void> {
    for (let at = 0; at < bodies.length; at += MAX_BATCH) {
      const Entries = bodies.slice(at, at + MAX_BATCH).map((MessageBody, index) => ({ Id: `m${index}`, MessageBody }));
      const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
      if (Failed.length > 0) throw new Error(`the queue refused ${Failed.length} messages: ${Failed[0]?.Code}`);
    }
  }

  return {
    address: { kind: 'sqs', endpoint, queueUrl, ...CREDENTIALS },
    sendEvents: (keys) => send(keys.map(s3Notification)),
    sendTexts: send,
    async count() {
      const names = [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ] as const;
      const attributes = await attributesOf(client, queueUrl, names);
      return names.reduce((sum, name) => sum + Number(attributes[name]), 0);
    },
    async drain(forMs) {
      const untilMs = performance.now() + forMs;
      const keys: string[] = [];
      while (performance.now() < untilMs) keys.push(...(await take(client, queueUrl)).map(({ Body = '' }) => keyOf(Body)));
      return keys;
    },
    async takeDeadLetters() {
      const letters: DeadLetter[] = [];
      for (let batch = await take(client, deadLettersUrl); batch.length > 0; batch = await take(client, deadLettersUrl)) {
        letters.push(...batch.map(deadLetter));
      }
      return letters;
    },
  };
}

async function attributesOf<Name extends string>(client: SQSClient, QueueUrl: string, names: readonly Name[]) {
  const AttributeNames = names as readonly string[] as GetQueueAttributesCommand['input']['AttributeNames'];
  const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }));
  return Attributes as Partial<Record<Name, string>>;
}

async function take(client: SQSClient, QueueUrl: string): Promise<Message[]> {
  const request = { QueueUrl, MaxNumberOfMessages: MAX_BATCH, WaitTimeSeconds: POLL_SECONDS, MessageAttributeNames: ['All'] };
  const { Messages = [] } = await client.send(new ReceiveMessageCommand(request));
  for (const { ReceiptHandle } of Messages) await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  return Messages;
}

function deadLetter({ Body = '', MessageAttributes = {} }: Message): DeadLetter {
  const attributes = Object.entries(MessageAttributes).map(([name, { StringValue = '' }]) => [name, StringValue] as const);
  return { body: Body, attributes: Object.fromEntries(attributes) };
}

function s3Notification(key: string): string {
  const s3 = { bucket: { name: BUCKET }, object: { key: encodeURIComponent(key) } };
  return JSON.stringify({ Records: [{ eventVersion: '2.1', eventName: 'ObjectCreated:Put', s3 }] });
}

function keyOf(body: string): string {
  const [, encoded] = /"object":{"key":"([^"]+)"/.exec(body) ?? [];
  return encoded === undefined ? body : decodeURIComponent(encoded);
}
