/** Fresh SQS queues for a test of dead letters, on any server that speaks SQS. */
import { randomUUID } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { createSqsClient } from '../../../consumers/sqs-client.ts';
import type { ArrivedLetter, LetterPeer, SentLetter } from './dead-letters-suite.ts';

const REGION = 'us-east-1';
const MAX_RECEIVES = 5;

export interface SqsLetterPeer extends LetterPeer {
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** Messages of the main queue. */
  waiting(): Promise<number>;
}

export interface SqsServer {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export async function freshQueues({ endpoint, credentials }: SqsServer): Promise<SqsLetterPeer> {
  const client = createSqsClient({ endpoint, region: REGION, credentials });
  const create = async (name: string, Attributes: Record<string, string> = {}): Promise<string> => {
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `${name}-${randomUUID()}`, Attributes }));
    return QueueUrl ?? expect.unreachable('no queue URL');
  };
  const attribute = async (QueueUrl: string, name: 'QueueArn' | 'ApproximateNumberOfMessages'): Promise<string> =>
    (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] }))).Attributes?.[name] ?? '';
  const deadLetterQueueUrl = await create('dead');
  const deadLetterTargetArn = await attribute(deadLetterQueueUrl, 'QueueArn');
  const queueUrl = await create('main', {
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: MAX_RECEIVES }),
  });

  async function receiveAll(QueueUrl: string): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const request = { QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] };
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({ ...request, VisibilityTimeout: 60, MessageSystemAttributeNames: ['SentTimestamp'] }),
      );
      if (Messages.length === 0) return all;
      all.push(...Messages);
    }
  }
  return {
    client,
    queueUrl,
    deadLetterQueueUrl,
    env: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      MILLRACE_QUEUE_URL: queueUrl,
      MILLRACE_DEAD_LETTER_QUEUE_URL: deadLetterQueueUrl,
      MILLRACE_QUEUE_REGION: REGION,
    },
    async putDead(letters) {
      for (let at = 0; at < letters.length; at += 10) {
        const Entries = letters.slice(at, at + 10).map(({ body, attributes }, index) => ({
          Id: `m${index}`,
          MessageBody: body,
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
          ),
        }));
        const { Failed } = await client.send(new SendMessageBatchCommand({ QueueUrl: deadLetterQueueUrl, Entries }));
        expect(Failed ?? []).toEqual([]);
      }
    },
    async arrived() {
      const messages = await receiveAll(queueUrl);
      for (const { ReceiptHandle } of messages)
        await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
      return messages.map(letterOf);
    },
    async dead() {
      const messages = await receiveAll(deadLetterQueueUrl);
      await Promise.all(
        messages.map(({ ReceiptHandle }) =>
          client.send(new ChangeMessageVisibilityCommand({ QueueUrl: deadLetterQueueUrl, ReceiptHandle, VisibilityTimeout: 0 })),
        ),
      );
      return messages.map(letterOf);
    },
    waiting: async () => Number(await attribute(queueUrl, 'ApproximateNumberOfMessages')),
  };
}

function letterOf({ Body: body = '', MessageAttributes = {}, Attributes }: Message): ArrivedLetter & SentLetter {
  const attributes = Object.fromEntries(
    Object.entries(MessageAttributes).map(([name, value]) => [name, value.StringValue ?? '']),
  );
  return { body, attributes, sentAtMs: Number(Attributes?.SentTimestamp) };
}
