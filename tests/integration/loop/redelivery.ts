/** A queue as bad as queues may be: every message comes several times, late, and in another order. */
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Random } from '../../simulation/random.ts';

export interface Redelivery {
  /** What a consumer is to receive from. */
  readonly queueUrl: string;
  readonly messages: number;
  readonly deliveries: number;
  stop(): Promise<void>;
}

export interface RedeliveryOptions {
  readonly sqs: SQSClient;
  /** Where the bucket's notifications arrive. */
  readonly sourceUrl: string;
  readonly copies: number;
  readonly random: Random;
}

const BATCH = 10;
const POLL_SECONDS = 1;
/** What is sent at once, of what is held; the rest is overtaken by later messages. */
const SENT_SHARE = 0.5;

export async function startRedelivery({ sqs, sourceUrl, copies, random }: RedeliveryOptions): Promise<Redelivery> {
  const { QueueUrl: queueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'redelivery' }));
  const held: string[] = [];
  const counts = { messages: 0, deliveries: 0 };
  const stopping = new AbortController();

  async function send(most: number): Promise<void> {
    for (let sent = 0; sent < most; sent += BATCH) {
      const bodies = Array.from({ length: Math.min(BATCH, most - sent) }, () => {
        return held.splice(random.between(0, held.length - 1), 1);
      }).flat();
      if (bodies.length === 0) return;
      const Entries = bodies.map((MessageBody, index) => ({ Id: String(index), MessageBody }));
      await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
      counts.deliveries += bodies.length;
    }
  }

  async function relay(): Promise<void> {
    while (!stopping.signal.aborted) {
      const waitSeconds = held.length === 0 ? POLL_SECONDS : 0;
      const { Messages: received = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: sourceUrl, MaxNumberOfMessages: BATCH, WaitTimeSeconds: waitSeconds }),
      );
      for (const { Body: body = '' } of received) held.push(...Array.from({ length: copies }, () => body));
      counts.messages += received.length;
      if (received.length > 0) {
        const Entries = received.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
        await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: sourceUrl, Entries }));
      }
      await send(received.length > 0 ? Math.ceil(held.length * SENT_SHARE) : held.length);
    }
  }

  const relaying = relay();
  return {
    queueUrl,
    get messages() {
      return counts.messages;
    },
    get deliveries() {
      return counts.deliveries;
    },
    async stop() {
      stopping.abort();
      await relaying;
    },
  };
}
