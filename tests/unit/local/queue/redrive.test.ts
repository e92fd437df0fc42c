import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isExhausted, mayUseAsDeadLetterQueue, parseRedrivePolicy } from '../../../../local/queue/redrive.ts';
import { arnOf, type ClockedQueue, START_MS, startClockedQueue, urlOf } from './clocked-queue.ts';

const policy = (name: string, maxReceiveCount: number | string) =>
  JSON.stringify({ deadLetterTargetArn: arnOf(name), maxReceiveCount });

describe('the policy itself', () => {
  test('a message is exhausted exactly when it was received maxReceiveCount times', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 1, max: 1000 }), (receives, maxReceiveCount) => {
        expect(isExhausted(receives, { deadLetterTargetArn: arnOf('d'), maxReceiveCount })).toBe(receives >= maxReceiveCount);
      }),
    );
    expect(isExhausted(1000, undefined)).toBe(false);
  });

  test('its number may be text', () => {
    expect(parseRedrivePolicy(policy('d', '7')).maxReceiveCount).toBe(7);
  });

  test.each([0, 1001, -1, 2.5])('a maxReceiveCount of %s is refused', (count) => {
    expect(() => parseRedrivePolicy(policy('d', count))).toThrow('RedrivePolicy');
  });

  test('a dead-letter queue takes sources as its allow policy says', () => {
    expect(mayUseAsDeadLetterQueue(undefined, arnOf('s'))).toBe(true);
    expect(mayUseAsDeadLetterQueue({ redrivePermission: 'allowAll' }, arnOf('s'))).toBe(true);
    expect(mayUseAsDeadLetterQueue({ redrivePermission: 'denyAll' }, arnOf('s'))).toBe(false);
    const byQueue = { redrivePermission: 'byQueue' as const, sourceQueueArns: [arnOf('s')] };
    expect(mayUseAsDeadLetterQueue(byQueue, arnOf('s'))).toBe(true);
    expect(mayUseAsDeadLetterQueue(byQueue, arnOf('other'))).toBe(false);
  });
});

// DeadLetterQueueSourceArn is checked here alone, against AWS's documentation: no peer sets it.
describe('a queue with a dead-letter queue', () => {
  let queue: ClockedQueue;
  beforeEach(async () => {
    queue = startClockedQueue();
    await queue.create('dead', { MessageRetentionPeriod: '1209600' });
    await queue.create('work', { RedrivePolicy: policy('dead', 2), VisibilityTimeout: '30' });
  });
  afterEach(() => queue.close());

  const exhaust = async () => {
    for (let receive = 1; receive <= 2; receive += 1) {
      expect(await queue.receive('work')).toHaveLength(1);
      queue.pass(30);
    }
  };

  test('delivers maxReceiveCount times, and moves at the receive after that', async () => {
    await queue.send('work', 'poison');
    await exhaust();
    expect(await queue.attribute('work', 'ApproximateNumberOfMessages')).toBe('1');

    expect(await queue.receive('work')).toEqual([]);

    expect(await queue.attribute('work', 'ApproximateNumberOfMessages')).toBe('0');
    expect(await queue.attribute('dead', 'ApproximateNumberOfMessages')).toBe('1');
  });

  test('moves a message with its id, its sent time, its receives so far and its source', async () => {
    await queue.send('work', 'poison', {
      MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1' } },
    });
    const [original] = await queue.receive('work');
    queue.pass(30);
    await queue.receive('work');
    queue.pass(30);
    await queue.receive('work');

    const [dead] = await queue.receive('dead');
    expect(dead?.MessageId).toBe(original?.MessageId);
    expect(dead?.Attributes).toEqual({
      SenderId: '000000000000',
      SentTimestamp: String(START_MS),
      ApproximateFirstReceiveTimestamp: String(START_MS),
      // Two from the source queue and this one: AWS counts across queues.
      ApproximateReceiveCount: '3',
      AWSTraceHeader: 'Root=1',
      DeadLetterQueueSourceArn: arnOf('work'),
    });
  });

  test('answers the next good message where exhausted ones lie in front of it', async () => {
    for (const body of ['a', 'b', 'c']) await queue.send('work', body);
    for (let receive = 1; receive <= 2; receive += 1) {
      await queue.receive('work', { MaxNumberOfMessages: 10 });
      queue.pass(30);
    }
    await queue.send('work', 'good');

    const bodies = (await queue.receive('work')).map((message) => message.Body);

    expect(bodies).toEqual(['good']);
    expect(await queue.attribute('dead', 'ApproximateNumberOfMessages')).toBe('3');
  });

  test('wakes whoever waits at the dead-letter queue', async () => {
    await queue.send('work', 'poison');
    await exhaust();
    const waiting = queue.receive('dead', { WaitTimeSeconds: 20 });

    await queue.receive('work');

    expect((await waiting)[0]?.Body).toBe('poison');
  });

  test('delivers on while the dead-letter queue does not exist any more', async () => {
    await queue.send('work', 'poison');
    await exhaust();
    await queue.call('DeleteQueue', { QueueUrl: urlOf('dead') });

    expect((await queue.receive('work'))[0]?.Attributes.ApproximateReceiveCount).toBe('3');
  });

  test('keeps the age of a moved message: the dead-letter queue expires it by its first sending', async () => {
    await queue.call('SetQueueAttributes', { QueueUrl: urlOf('dead'), Attributes: { MessageRetentionPeriod: '60' } });
    await queue.send('work', 'poison');
    await exhaust();
    await queue.receive('work');

    expect(await queue.receive('dead')).toEqual([]);
  });

  test('is listed as a source of it', async () => {
    const body = await queue.call('ListDeadLetterSourceQueues', { QueueUrl: urlOf('dead') });
    expect(body.queueUrls).toEqual([urlOf('work')]);
  });

  test.each([
    ['a target that does not exist', policy('nowhere', 3), 'Dead letter target does not exist'],
    ['itself', policy('work', 3), 'its own dead-letter queue'],
    ['no JSON', 'dead', 'deadLetterTargetArn'],
    ['a field too many', JSON.stringify({ ...JSON.parse(policy('dead', 3)), extra: 1 }), 'deadLetterTargetArn'],
  ])('refuses a policy with %s', async (_, text, message) => {
    const set = queue.call('SetQueueAttributes', { QueueUrl: urlOf('work'), Attributes: { RedrivePolicy: text } });
    await expect(set).rejects.toThrow(message);
  });

  test('is refused by a dead-letter queue that denies all', async () => {
    const allow = JSON.stringify({ redrivePermission: 'denyAll' });
    await queue.call('SetQueueAttributes', { QueueUrl: urlOf('dead'), Attributes: { RedriveAllowPolicy: allow } });

    await expect(queue.create('late', { RedrivePolicy: policy('dead', 3) })).rejects.toThrow('does not allow this source queue');
  });

  test('loses its policy when that is set to nothing', async () => {
    await queue.call('SetQueueAttributes', { QueueUrl: urlOf('work'), Attributes: { RedrivePolicy: '' } });
    expect(await queue.attribute('work', 'RedrivePolicy')).toBeUndefined();
  });
});
