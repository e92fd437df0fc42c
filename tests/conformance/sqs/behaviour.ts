/** What AWS documents of SQS and Millrace relies on, as checks that any server can be put through. */
import { randomUUID } from 'node:crypto';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  type SQSClient,
  SQSServiceException,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';

export interface Scope {
  readonly client: SQSClient;
  /** A fresh queue of its own. */
  create(attributes?: Record<string, string>): Promise<string>;
  send(QueueUrl: string, MessageBody: string, more?: Partial<SendMessageCommandInput>): Promise<void>;
  receive(QueueUrl: string, more?: Partial<ReceiveMessageCommandInput>): Promise<readonly Message[]>;
  /** The one message that must be there. */
  receiveOne(QueueUrl: string, more?: Partial<ReceiveMessageCommandInput>): Promise<Message>;
}

export function scopeOf(client: SQSClient): Scope {
  const receive: Scope['receive'] = async (QueueUrl, more = {}) =>
    (await client.send(new ReceiveMessageCommand({ QueueUrl, ...more }))).Messages ?? [];
  return {
    client,
    create: async (Attributes = {}) => {
      const QueueName = `conformance-${randomUUID()}`;
      return must((await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl);
    },
    send: async (QueueUrl, MessageBody, more = {}) => {
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }));
    },
    receive,
    receiveOne: async (QueueUrl, more = {}) => {
      const messages = await receive(QueueUrl, { WaitTimeSeconds: 2, ...more });
      expect(messages).toHaveLength(1);
      return must(messages[0]);
    },
  };
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the answer lacks a field that it must have');
  return value;
}

const nameOf = (url: string) => must(url.split('/').at(-1));
const sorted = (messages: readonly Message[]) => messages.map((message) => message.Body).toSorted();

async function attributeOf({ client }: Scope, QueueUrl: string, name: 'QueueArn' | 'ApproximateNumberOfMessages') {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] }));
  return must(Attributes?.[name]);
}

export type Check = readonly [name: string, run: (scope: Scope) => Promise<void>];

const queues: readonly Check[] = [
  [
    'creating a queue twice with the same attributes answers the same URL',
    async ({ client, create }) => {
      const url = await create({ VisibilityTimeout: '45' });
      const again = new CreateQueueCommand({ QueueName: nameOf(url), Attributes: { VisibilityTimeout: '45' } });
      expect((await client.send(again)).QueueUrl).toBe(url);
    },
  ],
  [
    'creating a queue again with another attribute is refused',
    async ({ client, create }) => {
      const url = await create({ VisibilityTimeout: '45' });
      const again = new CreateQueueCommand({ QueueName: nameOf(url), Attributes: { VisibilityTimeout: '46' } });
      await expect(client.send(again)).rejects.toMatchObject({ name: 'QueueNameExists', Code: 'QueueAlreadyExists' });
    },
  ],
  [
    'a queue is found by its name and in the list',
    async ({ client, create }) => {
      const url = await create();
      expect((await client.send(new GetQueueUrlCommand({ QueueName: nameOf(url) }))).QueueUrl).toBe(url);
      expect((await client.send(new ListQueuesCommand({ QueueNamePrefix: nameOf(url) }))).QueueUrls).toEqual([url]);
    },
  ],
  [
    'a queue that does not exist is told by both names of the error',
    async ({ client }) => {
      const ask = client.send(new GetQueueUrlCommand({ QueueName: 'never-made' }));
      await expect(ask).rejects.toMatchObject({
        name: 'QueueDoesNotExist',
        Code: 'AWS.SimpleQueueService.NonExistentQueue',
        $metadata: { httpStatusCode: 400 },
      });
    },
  ],
  [
    'a deleted queue takes no messages',
    async ({ client, create, send }) => {
      const url = await create();
      await client.send(new DeleteQueueCommand({ QueueUrl: url }));
      await expect(send(url, 'late')).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
    },
  ],
  [
    'a new queue has the documented attributes',
    async ({ client, create }) => {
      const ask = new GetQueueAttributesCommand({ QueueUrl: await create(), AttributeNames: ['All'] });
      expect((await client.send(ask)).Attributes).toMatchObject({
        ApproximateNumberOfMessages: '0',
        ApproximateNumberOfMessagesDelayed: '0',
        ApproximateNumberOfMessagesNotVisible: '0',
        CreatedTimestamp: expect.stringMatching(/^\d{10}$/),
        LastModifiedTimestamp: expect.stringMatching(/^\d{10}$/),
        DelaySeconds: '0',
        MaximumMessageSize: '1048576',
        MessageRetentionPeriod: '345600',
        ReceiveMessageWaitTimeSeconds: '0',
        VisibilityTimeout: '30',
        QueueArn: expect.stringMatching(/^arn:aws:sqs:us-east-1:\d{12}:conformance-/),
      });
    },
  ],
  [
    'an attribute that is set is read back',
    async ({ client, create }) => {
      const url = await create();
      await client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { DelaySeconds: '3' } }));
      const ask = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['DelaySeconds'] });
      expect((await client.send(ask)).Attributes).toEqual({ DelaySeconds: '3' });
    },
  ],
  [
    'an attribute out of range is refused',
    async ({ client, create }) => {
      const set = new SetQueueAttributesCommand({ QueueUrl: await create(), Attributes: { VisibilityTimeout: '43201' } });
      await expect(client.send(set)).rejects.toMatchObject({ name: 'InvalidAttributeValue' });
    },
  ],
  [
    'an unknown attribute is refused',
    async ({ client, create }) => {
      const Attributes: Record<string, string> = { Colour: 'blue' };
      const set = new SetQueueAttributesCommand({ QueueUrl: await create(), Attributes });
      await expect(client.send(set)).rejects.toMatchObject({ name: 'InvalidAttributeName' });
    },
  ],
  [
    'a purge empties a queue, and a second within a minute is refused',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      await scope.client.send(new PurgeQueueCommand({ QueueUrl: url }));
      expect(await scope.receive(url)).toEqual([]);
      const again = scope.client.send(new PurgeQueueCommand({ QueueUrl: url }));
      await expect(again).rejects.toMatchObject({ name: 'PurgeQueueInProgress' });
    },
  ],
];

const messages: readonly Check[] = [
  [
    'a message comes back as it was sent, attributes and MD5s included',
    async (scope) => {
      const url = await scope.create();
      const MessageAttributes = {
        note: { DataType: 'String.note', StringValue: 'héllo 😀' },
        count: { DataType: 'Number', StringValue: '12.5' },
        raw: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 1, 255) },
      };
      const body = 'line\n\ttwo <&> é 😀';
      // The SDK itself checks the MD5s of bodies.
      const sent = await scope.client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body, MessageAttributes }));
      const message = await scope.receiveOne(url, { MessageAttributeNames: ['All'], MessageSystemAttributeNames: ['All'] });
      expect(message).toMatchObject({ Body: body, MessageId: sent.MessageId, MessageAttributes });
      expect(message.MD5OfMessageAttributes).toBe(sent.MD5OfMessageAttributes);
      expect(sent.MD5OfMessageAttributes).toBe('52e094e18e09437b3c8bf41daf9795ec');
      expect(message.Attributes).toMatchObject({
        SenderId: expect.any(String),
        SentTimestamp: expect.stringMatching(/^\d{13}$/),
        ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
        ApproximateReceiveCount: '1',
      });
    },
  ],
  [
    'attributes come only when they are asked for, by name or by prefix',
    async (scope) => {
      const url = await scope.create({ VisibilityTimeout: '0' });
      const attribute = { DataType: 'String', StringValue: 'v' };
      await scope.send(url, 'm', { MessageAttributes: { 'trace.id': attribute, job: attribute } });
      const none = await scope.receiveOne(url);
      expect([none.MessageAttributes, none.Attributes]).toEqual([undefined, undefined]);
      const some = await scope.receiveOne(url, { MessageAttributeNames: ['trace.*'] });
      expect(Object.keys(some.MessageAttributes ?? {})).toEqual(['trace.id']);
    },
  ],
  [
    'the older AttributeNames asks for system attributes too',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      // The SDK's type lists the attributes of queues only.
      const message = await scope.receiveOne(url, { AttributeNames: ['SentTimestamp' as never] });
      expect(Object.keys(message.Attributes ?? {})).toEqual(['SentTimestamp']);
    },
  ],
  [
    'the trace header is kept',
    async (scope) => {
      const url = await scope.create();
      const AWSTraceHeader = { DataType: 'String', StringValue: 'Root=1-5759e988-bd862e3fe1be46a994272793' };
      await scope.send(url, 'm', { MessageSystemAttributes: { AWSTraceHeader } });
      const message = await scope.receiveOne(url, { MessageSystemAttributeNames: ['AWSTraceHeader'] });
      expect(message.Attributes).toEqual({ AWSTraceHeader: AWSTraceHeader.StringValue });
    },
  ],
  [
    'a body with a control character is refused',
    async (scope) => {
      const url = await scope.create();
      await expect(scope.send(url, 'a\u0001b')).rejects.toMatchObject({ name: 'InvalidMessageContents' });
    },
  ],
  [
    'a body above 1 MiB is refused, and one of exactly that is taken',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'x'.repeat(1_048_576));
      await expect(scope.send(url, 'x'.repeat(1_048_577))).rejects.toMatchObject({ name: 'InvalidParameterValue' });
    },
  ],
  [
    'a message that is in flight is hidden, and comes back after its timeout with its count raised',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const first = await scope.receiveOne(url, { VisibilityTimeout: 1 });
      expect(await scope.receive(url)).toEqual([]);
      const second = await scope.receiveOne(url, { WaitTimeSeconds: 5, MessageSystemAttributeNames: ['All'] });
      expect(second.MessageId).toBe(first.MessageId);
      expect(second.ReceiptHandle).not.toBe(first.ReceiptHandle);
      expect(second.Attributes?.ApproximateReceiveCount).toBe('2');
    },
  ],
  [
    'a delayed message is hidden at first',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm', { DelaySeconds: 1 });
      expect(await scope.receive(url)).toEqual([]);
      expect((await scope.receiveOne(url, { WaitTimeSeconds: 5 })).Body).toBe('m');
    },
  ],
  [
    'a long poll is answered as soon as a message comes',
    async (scope) => {
      const url = await scope.create();
      const startedMs = performance.now();
      const waiting = scope.receiveOne(url, { WaitTimeSeconds: 20 });
      await scope.send(url, 'm');
      expect((await waiting).Body).toBe('m');
      expect(performance.now() - startedMs).toBeLessThan(5_000);
    },
  ],
  [
    'one receive answers at most what it was asked for',
    async (scope) => {
      const url = await scope.create();
      for (const body of ['a', 'b', 'c']) await scope.send(url, body);
      expect(await scope.receive(url, { MaxNumberOfMessages: 2 })).toHaveLength(2);
      await expect(scope.receive(url, { MaxNumberOfMessages: 11 })).rejects.toMatchObject({ Code: 'InvalidParameterValue' });
    },
  ],
  [
    'an unknown system attribute is refused',
    async (scope) => {
      const url = await scope.create();
      const ask = scope.receive(url, { MessageSystemAttributeNames: ['Colour' as never] });
      await expect(ask).rejects.toMatchObject({ name: 'InvalidAttributeName' });
    },
  ],
];

const receipts: readonly Check[] = [
  [
    'a deleted message does not come back, and may be deleted twice',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const { ReceiptHandle } = await scope.receiveOne(url, { VisibilityTimeout: 1 });
      const remove = new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle });
      await scope.client.send(remove);
      await scope.client.send(remove);
      expect(await scope.receive(url, { WaitTimeSeconds: 2 })).toEqual([]);
    },
  ],
  [
    'an old receipt handle still deletes',
    async (scope) => {
      const url = await scope.create({ VisibilityTimeout: '0' });
      await scope.send(url, 'm');
      const first = await scope.receiveOne(url);
      await scope.receiveOne(url);
      await scope.client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: first.ReceiptHandle }));
      expect(await scope.receive(url)).toEqual([]);
    },
  ],
  [
    'a receipt handle that was never one is refused',
    async (scope) => {
      const url = await scope.create();
      const remove = scope.client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: 'garbage' }));
      await expect(remove).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
    },
  ],
  [
    'a visibility timeout of 0 gives a message back at once',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const { ReceiptHandle } = await scope.receiveOne(url);
      await scope.client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 }));
      expect((await scope.receiveOne(url)).Body).toBe('m');
    },
  ],
  [
    'the visibility of a message that is not in flight cannot be changed',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const { ReceiptHandle } = await scope.receiveOne(url, { VisibilityTimeout: 0 });
      const change = new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 9 });
      await expect(scope.client.send(change)).rejects.toMatchObject({ name: 'MessageNotInflight' });
    },
  ],
  [
    'a visibility timeout above twelve hours is refused',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const { ReceiptHandle } = await scope.receiveOne(url);
      const change = new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 43_201 });
      await expect(scope.client.send(change)).rejects.toMatchObject({ Code: 'InvalidParameterValue' });
    },
  ],
];

const batches: readonly Check[] = [
  [
    'a batch is sent, received, held and deleted',
    async (scope) => {
      const url = await scope.create();
      const Entries = ['a', 'b', 'c'].map((body) => ({ Id: body, MessageBody: body }));
      const sent = await scope.client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
      expect(sent.Successful?.map((entry) => entry.Id)).toEqual(['a', 'b', 'c']);
      const received = await scope.receive(url, { MaxNumberOfMessages: 10 });
      expect(sorted(received)).toEqual(['a', 'b', 'c']);
      const handles = received.map(({ Body, ReceiptHandle }) => ({ Id: Body, ReceiptHandle }));
      const held = handles.map((entry) => ({ ...entry, VisibilityTimeout: 60 }));
      const hold = await scope.client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries: held }));
      expect(hold.Successful).toHaveLength(3);
      const removed = await scope.client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries: handles }));
      expect(removed.Successful).toHaveLength(3);
      expect(removed.Failed ?? []).toEqual([]);
    },
  ],
  [
    'one bad entry fails alone',
    async (scope) => {
      const url = await scope.create();
      await scope.send(url, 'm');
      const { ReceiptHandle } = await scope.receiveOne(url);
      const Entries = [
        { Id: 'good', ReceiptHandle },
        { Id: 'bad', ReceiptHandle: 'garbage' },
      ];
      const removed = await scope.client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }));
      expect(removed.Successful).toMatchObject([{ Id: 'good' }]);
      expect(removed.Failed).toMatchObject([{ Id: 'bad', Code: 'ReceiptHandleIsInvalid', SenderFault: true }]);
    },
  ],
  [
    'a batch of none, of eleven, or with an id twice is refused',
    async (scope) => {
      const url = await scope.create();
      const send = (ids: readonly string[]) =>
        scope.client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: ids.map((Id) => ({ Id, MessageBody: 'm' })) }));
      await expect(send([])).rejects.toMatchObject({ name: 'EmptyBatchRequest' });
      await expect(send([...'abcdefghijk'])).rejects.toMatchObject({ name: 'TooManyEntriesInBatchRequest' });
      await expect(send(['a', 'a'])).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinct' });
    },
  ],
  [
    'a batch above 1 MiB in all is refused',
    async (scope) => {
      const url = await scope.create();
      const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(524_289) }));
      const send = scope.client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
      await expect(send).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
    },
  ],
];

const deadLetters: readonly Check[] = [
  [
    'the receive after maxReceiveCount moves a message to the dead-letter queue, with its id and sent time',
    async (scope) => {
      const dead = await scope.create();
      const deadLetterTargetArn = await attributeOf(scope, dead, 'QueueArn');
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
      const url = await scope.create({ RedrivePolicy, VisibilityTimeout: '0' });
      await scope.send(url, 'poison');
      const first = await scope.receiveOne(url, { MessageSystemAttributeNames: ['All'] });
      await scope.receiveOne(url);
      expect(await attributeOf(scope, dead, 'ApproximateNumberOfMessages')).toBe('0');
      expect(await scope.receive(url)).toEqual([]);
      const moved = await scope.receiveOne(dead, { MessageSystemAttributeNames: ['All'] });
      expect(moved.MessageId).toBe(first.MessageId);
      expect(moved.Attributes?.SentTimestamp).toBe(first.Attributes?.SentTimestamp);
      const sources = await scope.client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }));
      expect(sources.queueUrls).toEqual([url]);
    },
  ],
  [
    'a dead-letter queue that does not exist is refused',
    async (scope) => {
      const deadLetterTargetArn = 'arn:aws:sqs:us-east-1:000000000000:never-made';
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
      // AWS documents that it is refused, not with which code.
      await expect(scope.create({ RedrivePolicy })).rejects.toBeInstanceOf(SQSServiceException);
    },
  ],
];

export const CHECKS: readonly Check[] = [...queues, ...messages, ...receipts, ...batches, ...deadLetters];
