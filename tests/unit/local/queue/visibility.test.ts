import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deleteExpired } from '../../../../local/queue/expiry.ts';
import { type ClockedQueue, startClockedQueue, urlOf } from './clocked-queue.ts';

let queue: ClockedQueue;
beforeEach(async () => {
  queue = startClockedQueue({ maxInFlight: 3 });
  await queue.create('work');
});
afterEach(() => queue.close());

const handleOf = async (): Promise<string> => {
  const [message] = await queue.receive('work');
  expect(message).toBeDefined();
  return message?.ReceiptHandle ?? '';
};
const change = (handle: string, seconds: number) =>
  queue.call('ChangeMessageVisibility', { QueueUrl: urlOf('work'), ReceiptHandle: handle, VisibilityTimeout: seconds });
const remove = (handle: string) => queue.call('DeleteMessage', { QueueUrl: urlOf('work'), ReceiptHandle: handle });

describe('a received message', () => {
  test('is hidden until its visibility timeout, to the millisecond', async () => {
    await queue.send('work', 'm');
    await queue.receive('work');
    queue.pass(29.999);
    expect(await queue.receive('work')).toEqual([]);
    queue.pass(0.001);
    expect((await queue.receive('work'))[0]?.Attributes.ApproximateReceiveCount).toBe('2');
  });

  test('is hidden for as long as the receive asked', async () => {
    await queue.send('work', 'm');
    await queue.receive('work', { VisibilityTimeout: 100 });
    queue.pass(99);
    expect(await queue.receive('work')).toEqual([]);
    queue.pass(1);
    expect(await queue.receive('work')).toHaveLength(1);
  });

  test('with a timeout of 0 is visible at once, and still only once in one answer', async () => {
    await queue.send('work', 'm');
    expect(await queue.receive('work', { VisibilityTimeout: 0, MaxNumberOfMessages: 10 })).toHaveLength(1);
    expect(await queue.receive('work')).toHaveLength(1);
  });

  test('can be given back with 0, and held for longer', async () => {
    await queue.send('work', 'm');
    await change(await handleOf(), 0);
    const handle = await handleOf();
    await change(handle, 600);
    queue.pass(599);
    expect(await queue.receive('work')).toEqual([]);
  });

  test('cannot be held for more than twelve hours after its receive', async () => {
    await queue.send('work', 'm');
    const handle = await handleOf();
    await change(handle, 43_200);
    queue.pass(10);
    await expect(change(handle, 43_191)).rejects.toThrow('beyond the limit');
    await change(handle, 43_190);
    await expect(change(handle, 43_201)).rejects.toThrow('between 0 and 43200');
  });

  test('that is visible again is not in flight', async () => {
    await queue.send('work', 'm');
    const handle = await handleOf();
    queue.pass(30);
    await expect(change(handle, 10)).rejects.toMatchObject({ code: 'MessageNotInflight' });
  });

  test('stays in flight over a restart, until its own time', async () => {
    await queue.send('work', 'm');
    await queue.receive('work');
    queue.restart();
    expect(await queue.receive('work')).toEqual([]);
    expect(await queue.attribute('work', 'ApproximateNumberOfMessagesNotVisible')).toBe('1');
    queue.pass(30);
    expect((await queue.receive('work'))[0]?.Attributes.ApproximateReceiveCount).toBe('2');
  });
});

describe('receipt handles', () => {
  test('differ with each receive, and an old one still deletes', async () => {
    await queue.send('work', 'm');
    const first = await handleOf();
    queue.pass(30);
    expect(await handleOf()).not.toBe(first);
    await remove(first);
    queue.pass(30);
    expect(await queue.receive('work')).toEqual([]);
  });

  test('may be used twice', async () => {
    await queue.send('work', 'm');
    const handle = await handleOf();
    await remove(handle);
    await expect(remove(handle)).resolves.toEqual({});
    await expect(change(handle, 1)).rejects.toMatchObject({ code: 'InvalidParameterValueException' });
  });

  test.each(['garbage', 'AAAA', `${'A'.repeat(66)}`])('%s is none', async (handle) => {
    await expect(remove(handle)).rejects.toMatchObject({ code: 'ReceiptHandleIsInvalid' });
    await expect(change(handle, 1)).rejects.toMatchObject({ code: 'ReceiptHandleIsInvalid' });
  });

  test('one with a single character changed is none', async () => {
    await queue.send('work', 'm');
    const handle = await handleOf();
    const changed = `${handle.slice(0, 20)}${handle[20] === 'A' ? 'B' : 'A'}${handle.slice(21)}`;
    await expect(remove(changed)).rejects.toMatchObject({ code: 'ReceiptHandleIsInvalid' });
  });

  test("of a deleted queue do nothing to its successor's messages", async () => {
    await queue.send('work', 'm');
    const handle = await handleOf();
    await queue.call('DeleteQueue', { QueueUrl: urlOf('work') });
    await queue.create('work');
    await expect(remove(handle)).rejects.toMatchObject({ code: 'ReceiptHandleIsInvalid' });
  });
});

describe('a delayed message', () => {
  test('is hidden and counted as delayed until then', async () => {
    await queue.send('work', 'm', { DelaySeconds: 5 });
    expect(await queue.receive('work')).toEqual([]);
    expect(await queue.attribute('work', 'ApproximateNumberOfMessagesDelayed')).toBe('1');
    queue.pass(5);
    expect(await queue.receive('work')).toHaveLength(1);
  });

  test('has the delay of its queue unless it brings its own', async () => {
    await queue.create('slow', { DelaySeconds: '60' });
    await queue.send('slow', 'now', { DelaySeconds: 0 });
    await queue.send('slow', 'later');
    expect((await queue.receive('slow', { MaxNumberOfMessages: 10 })).map((message) => message.Body)).toEqual(['now']);
  });

  test.each([-1, 901])('a delay of %i seconds is refused', async (seconds) => {
    await expect(queue.send('work', 'm', { DelaySeconds: seconds })).rejects.toThrow('DelaySeconds');
  });
});

describe('retention', () => {
  test('ends a message, in flight or not', async () => {
    await queue.create('short', { MessageRetentionPeriod: '60' });
    await queue.send('short', 'waiting');
    queue.pass(59);
    expect(await queue.attribute('short', 'ApproximateNumberOfMessages')).toBe('1');
    queue.pass(1);
    expect(await queue.attribute('short', 'ApproximateNumberOfMessages')).toBe('0');
    expect(await queue.receive('short')).toEqual([]);
  });

  test('frees the space of expired messages, and of those alone', async () => {
    await queue.create('short', { MessageRetentionPeriod: '60' });
    for (const name of ['short', 'short', 'work']) await queue.send(name, 'old');
    queue.pass(30);
    await queue.send('short', 'young');
    queue.pass(30);

    expect(await deleteExpired(queue.service)).toBe(2);

    expect(await deleteExpired(queue.service)).toBe(0);
    expect((await queue.receive('short', { MaxNumberOfMessages: 10 })).map((message) => message.Body)).toEqual(['young']);
    expect(await queue.receive('work')).toHaveLength(1);
  });
});

describe('the ceiling of messages in flight', () => {
  const fill = async () => {
    for (const body of ['a', 'b', 'c', 'd']) await queue.send('work', body);
    return await queue.receive('work', { MaxNumberOfMessages: 10 });
  };

  test('bounds what one receive takes, and refuses the next short poll', async () => {
    expect(await fill()).toHaveLength(3);
    await expect(queue.receive('work')).rejects.toMatchObject({ code: 'OverLimit' });
  });

  test('lets a long poll wait, and a delete wakes it', async () => {
    const [first] = await fill();
    const waiting = queue.receive('work', { WaitTimeSeconds: 20 });
    await remove(first?.ReceiptHandle ?? '');
    expect((await waiting).map((message) => message.Body)).toEqual(['d']);
  });
});
