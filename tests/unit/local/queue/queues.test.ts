import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arnOf, type ClockedQueue, START_MS, startClockedQueue, urlOf } from './clocked-queue.ts';

let queue: ClockedQueue;
beforeEach(() => {
  queue = startClockedQueue();
});
afterEach(() => queue.close());

const create = (name: string, attributes: Record<string, string> = {}) =>
  queue.call('CreateQueue', { QueueName: name, Attributes: attributes });

describe('creating a queue', () => {
  test('again with the same attributes, or the defaults written out, answers the same queue', async () => {
    await create('work', { DelaySeconds: '0' });
    expect(await create('work', { VisibilityTimeout: '30' })).toEqual({ QueueUrl: urlOf('work') });
  });

  test('again with another value is refused', async () => {
    await create('work', { VisibilityTimeout: '31' });
    await expect(create('work', { VisibilityTimeout: '30' })).rejects.toMatchObject({
      code: 'QueueNameExists',
      queryCode: 'QueueAlreadyExists',
    });
  });

  test('compares policies by what they say', async () => {
    await create('dead');
    await create('work', { RedrivePolicy: `{"deadLetterTargetArn":"${arnOf('dead')}","maxReceiveCount":3}` });
    await expect(
      create('work', { RedrivePolicy: `{ "maxReceiveCount": 3, "deadLetterTargetArn": "${arnOf('dead')}" }` }),
    ).resolves.toEqual({ QueueUrl: urlOf('work') });
  });

  test.each(['', 'a b', 'a/b', 'a'.repeat(81), 'ä'])('named %j is refused', async (name) => {
    await expect(create(name)).rejects.toThrow();
  });

  test('of the FIFO kind is refused with the reason', async () => {
    await expect(create('work.fifo', { FifoQueue: 'true' })).rejects.toThrow('FIFO queues are not supported');
    await expect(create('work', { FifoQueue: 'true' })).rejects.toThrow('FIFO queues are not supported');
  });
});

describe('attributes', () => {
  test('of a new queue are the documented defaults', async () => {
    await create('work');
    const body = await queue.call('GetQueueAttributes', { QueueUrl: urlOf('work'), AttributeNames: ['All'] });
    expect(body.Attributes).toEqual({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
      ApproximateNumberOfMessagesDelayed: '0',
      CreatedTimestamp: String(START_MS / 1000),
      LastModifiedTimestamp: String(START_MS / 1000),
      DelaySeconds: '0',
      MaximumMessageSize: '1048576',
      MessageRetentionPeriod: '345600',
      ReceiveMessageWaitTimeSeconds: '0',
      VisibilityTimeout: '30',
      SqsManagedSseEnabled: 'false',
      QueueArn: arnOf('work'),
    });
  });

  test('can be changed and read one by one', async () => {
    await create('work');
    queue.pass(5);
    await queue.call('SetQueueAttributes', {
      QueueUrl: urlOf('work'),
      Attributes: { DelaySeconds: '7', Policy: '{"Version":"2012-10-17"}' },
    });
    const AttributeNames = ['DelaySeconds', 'Policy', 'LastModifiedTimestamp', 'RedrivePolicy'];
    expect((await queue.call('GetQueueAttributes', { QueueUrl: urlOf('work'), AttributeNames })).Attributes).toEqual({
      DelaySeconds: '7',
      Policy: '{"Version":"2012-10-17"}',
      LastModifiedTimestamp: String(START_MS / 1000 + 5),
    });
  });

  test.each([
    ['VisibilityTimeout', '43201', 'InvalidAttributeValue'],
    ['VisibilityTimeout', '-1', 'InvalidAttributeValue'],
    ['DelaySeconds', '901', 'InvalidAttributeValue'],
    ['DelaySeconds', '1.5', 'InvalidAttributeValue'],
    ['MaximumMessageSize', '1023', 'InvalidAttributeValue'],
    ['MaximumMessageSize', '1048577', 'InvalidAttributeValue'],
    ['MessageRetentionPeriod', '59', 'InvalidAttributeValue'],
    ['MessageRetentionPeriod', '1209601', 'InvalidAttributeValue'],
    ['ReceiveMessageWaitTimeSeconds', '21', 'InvalidAttributeValue'],
    ['ReceiveMessageWaitTimeSeconds', '', 'InvalidAttributeValue'],
    ['Policy', 'no json', 'InvalidAttributeValue'],
    ['QueueArn', 'arn', 'InvalidAttributeName'],
    ['Colour', 'blue', 'InvalidAttributeName'],
    ['toString', 'x', 'InvalidAttributeName'],
    ['KmsMasterKeyId', 'alias/x', 'InvalidParameterValueException'],
    ['SqsManagedSseEnabled', 'true', 'InvalidParameterValueException'],
  ])('%s = %j is refused', async (name, value, code) => {
    await create('work');
    await expect(
      queue.call('SetQueueAttributes', { QueueUrl: urlOf('work'), Attributes: { [name]: value } }),
    ).rejects.toMatchObject({ code });
  });
});

describe('a message that is too large', () => {
  test('for its queue is refused by its bytes, attributes included', async () => {
    await create('small', { MaximumMessageSize: '1024' });
    await queue.send('small', 'é'.repeat(512));
    await expect(queue.send('small', `${'é'.repeat(512)}x`)).rejects.toThrow('shorter than 1024 bytes');
    const MessageAttributes = { a: { DataType: 'String', StringValue: 'v' } };
    await expect(queue.send('small', 'x'.repeat(1017), { MessageAttributes })).rejects.toThrow('shorter than 1024 bytes');
    await queue.send('small', 'x'.repeat(1016), { MessageAttributes });
  });

  test('fails alone in a batch', async () => {
    await create('small', { MaximumMessageSize: '1024' });
    const body = await queue.call('SendMessageBatch', {
      QueueUrl: urlOf('small'),
      Entries: [
        { Id: 'fits', MessageBody: 'x' },
        { Id: 'large', MessageBody: 'x'.repeat(1025) },
        { Id: 'empty', MessageBody: '' },
      ],
    });
    expect(body).toMatchObject({
      Successful: [{ Id: 'fits' }],
      Failed: [
        { Id: 'large', Code: 'InvalidParameterValue', SenderFault: true },
        { Id: 'empty', Code: 'MissingParameter', SenderFault: true },
      ],
    });
    expect(await queue.attribute('small', 'ApproximateNumberOfMessages')).toBe('1');
  });

  test('together with others refuses the whole batch', async () => {
    await create('work');
    const half = 'x'.repeat(524_288);
    const send = (extra: string) =>
      queue.call('SendMessageBatch', {
        QueueUrl: urlOf('work'),
        Entries: [
          { Id: 'a', MessageBody: half },
          { Id: 'b', MessageBody: `${half}${extra}` },
        ],
      });
    await expect(send('x')).rejects.toMatchObject({ code: 'BatchRequestTooLong' });
    expect(await send('')).toMatchObject({ Successful: [{ Id: 'a' }, { Id: 'b' }] });
  });
});

test.each([
  [[], 'EmptyBatchRequest'],
  [Array.from({ length: 11 }, (_, i) => ({ Id: `m${i}`, ReceiptHandle: 'x' })), 'TooManyEntriesInBatchRequest'],
  [[{ Id: 'a b', ReceiptHandle: 'x' }], 'InvalidBatchEntryId'],
  [['a', 'a'].map((Id) => ({ Id, ReceiptHandle: 'x' })), 'BatchEntryIdsNotDistinct'],
])('a batch of %j is refused with %s', async (Entries, code) => {
  await create('work');
  await expect(queue.call('DeleteMessageBatch', { QueueUrl: urlOf('work'), Entries })).rejects.toMatchObject({ code });
});

describe('listing queues', () => {
  test('pages through them all, by prefix and in order', async () => {
    for (const name of ['b-2', 'a', 'b-1', 'b-3', 'c']) await create(name);
    const list = (input: object) => queue.call('ListQueues', { QueueNamePrefix: 'b-', MaxResults: 2, ...input });
    const first = await list({});
    expect(first.QueueUrls).toEqual([urlOf('b-1'), urlOf('b-2')]);
    const second = await list({ NextToken: first.NextToken });
    expect(second).toEqual({ QueueUrls: [urlOf('b-3')], NextToken: undefined });
  });

  test('takes no token but its own, and no page size out of range', async () => {
    await expect(queue.call('ListQueues', { NextToken: 'bm9uZQ' })).rejects.toThrow('NextToken');
    await expect(queue.call('ListQueues', { MaxResults: 1001 })).rejects.toThrow('MaxResults');
  });
});

test('a purge empties the queue, and the next must wait a minute', async () => {
  await create('work');
  await queue.send('work', 'm');
  const purge = () => queue.call('PurgeQueue', { QueueUrl: urlOf('work') });
  await purge();
  expect(await queue.receive('work')).toEqual([]);
  await expect(purge()).rejects.toMatchObject({ code: 'PurgeQueueInProgress' });
  queue.pass(60);
  await expect(purge()).resolves.toEqual({});
});

test('tags are kept, changed and removed', async () => {
  await queue.call('CreateQueue', { QueueName: 'work', tags: { team: 'media', stage: 'dev' } });
  await queue.call('TagQueue', { QueueUrl: urlOf('work'), Tags: { stage: 'test' } });
  await queue.call('UntagQueue', { QueueUrl: urlOf('work'), TagKeys: ['team'] });
  expect(await queue.call('ListQueueTags', { QueueUrl: urlOf('work') })).toEqual({ Tags: { stage: 'test' } });
});

describe('a queue URL', () => {
  test('counts by its path, whatever this machine is called in it', async () => {
    await create('work');
    const QueueUrl = 'http://queue.internal:1234/000000000000/work';
    await expect(queue.call('GetQueueAttributes', { QueueUrl })).resolves.toEqual({});
  });

  test.each([
    ['http://127.0.0.1:9/000000000000/none', 'QueueDoesNotExist'],
    ['http://127.0.0.1:9/111111111111/work', 'QueueDoesNotExist'],
    ['work', 'InvalidAddress'],
    ['http://127.0.0.1:9/000000000000/work/more', 'InvalidAddress'],
  ])('%s is answered with %s', async (QueueUrl, code) => {
    await create('work');
    await expect(queue.call('GetQueueAttributes', { QueueUrl })).rejects.toMatchObject({ code });
  });
});

test('what is missing or of the wrong type is named', async () => {
  await expect(queue.call('SendMessage', { MessageBody: 'x' })).rejects.toThrow('must contain the parameter QueueUrl');
  await expect(queue.call('ReceiveMessage', { QueueUrl: 1 })).rejects.toMatchObject({ code: 'SerializationException' });
  await expect(queue.call('ListQueues', [])).rejects.toMatchObject({ code: 'SerializationException' });
});
