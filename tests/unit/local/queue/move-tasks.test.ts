/** Message move tasks are checked against AWS's documentation alone: no peer implements them. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { paceOf } from '../../../../local/queue/mover.ts';
import { arnOf, type ClockedQueue, startClockedQueue, urlOf } from './clocked-queue.ts';

const Results = z.array(
  z.object({
    TaskHandle: z.string().optional(),
    Status: z.string(),
    SourceArn: z.string(),
    DestinationArn: z.string().optional(),
    MaxNumberOfMessagesPerSecond: z.number().optional(),
    ApproximateNumberOfMessagesMoved: z.number(),
    ApproximateNumberOfMessagesToMove: z.number(),
    FailureReason: z.string().optional(),
    StartedTimestamp: z.number(),
  }),
);

let queue: ClockedQueue;
beforeEach(async () => {
  queue = startClockedQueue();
  await queue.create('dead');
  const policy = JSON.stringify({ deadLetterTargetArn: arnOf('dead'), maxReceiveCount: 1 });
  for (const name of ['work-a', 'work-b']) await queue.create(name, { RedrivePolicy: policy, VisibilityTimeout: '10' });
});
afterEach(() => queue.close());

const bury = async (name: string, bodies: readonly string[]) => {
  for (const body of bodies) await queue.send(name, body);
  for (let received = 0; received < bodies.length; ) {
    received += (await queue.receive(name, { MaxNumberOfMessages: 10 })).length;
  }
  queue.pass(10);
  expect(await queue.receive(name)).toEqual([]);
};
const start = async (more: object = {}) =>
  z.string().parse((await queue.call('StartMessageMoveTask', { SourceArn: arnOf('dead'), ...more })).TaskHandle);
const list = async (max = 10) =>
  Results.parse((await queue.call('ListMessageMoveTasks', { SourceArn: arnOf('dead'), MaxResults: max })).Results);
const ended = () =>
  vi.waitUntil(
    async () => {
      const [latest] = await list();
      return latest !== undefined && latest.Status !== 'RUNNING' ? latest : undefined;
    },
    { timeout: 20_000, interval: 10 },
  );
const waiting = (name: string) => queue.attribute(name, 'ApproximateNumberOfMessages');
const bodies = async (name: string) => (await queue.receive(name, { MaxNumberOfMessages: 10 })).map((message) => message.Body);

test('without a destination each message goes back to the queue that it came from', async () => {
  await bury('work-a', ['a1', 'a2']);
  await bury('work-b', ['b1']);

  await start();

  expect(await ended()).toMatchObject({
    Status: 'COMPLETED',
    SourceArn: arnOf('dead'),
    ApproximateNumberOfMessagesMoved: 3,
    ApproximateNumberOfMessagesToMove: 3,
  });
  expect(await bodies('work-a')).toEqual(['a1', 'a2']);
  expect(await bodies('work-b')).toEqual(['b1']);
});

test('with a destination all messages go there', async () => {
  await queue.create('elsewhere');
  await bury('work-a', ['a1']);
  await bury('work-b', ['b1']);

  await start({ DestinationArn: arnOf('elsewhere') });

  expect((await ended()).DestinationArn).toBe(arnOf('elsewhere'));
  expect(await bodies('elsewhere')).toEqual(['a1', 'b1']);
});

test('a moved message is a new one: other id, sent now, never received, without a source', async () => {
  await bury('work-a', ['a1']);
  const [dead] = await queue.receive('dead', { VisibilityTimeout: 0 });
  queue.pass(100);

  await start();
  await ended();

  const [moved] = await queue.receive('work-a');
  expect(moved?.MessageId).not.toBe(dead?.MessageId);
  expect(moved?.Attributes).toEqual({
    SenderId: '000000000000',
    SentTimestamp: String(queue.service.now()),
    ApproximateReceiveCount: '1',
    ApproximateFirstReceiveTimestamp: String(queue.service.now()),
  });
});

test('a message that was sent to the dead-letter queue directly fails a task without a destination', async () => {
  await queue.send('dead', 'stray');
  await start();
  expect(await ended()).toMatchObject({ Status: 'FAILED', FailureReason: 'CouldNotDetermineMessageSource' });
  expect(await waiting('dead')).toBe('1');
});

test('a message in flight stays, and so does one that arrives after the start', async () => {
  await bury('work-a', ['a1', 'a2']);
  await queue.receive('dead', { VisibilityTimeout: 3600 });
  await start();
  await queue.send('dead', 'late');

  expect(await ended()).toMatchObject({ Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 1 });
  expect(await bodies('work-a')).toEqual(['a2']);
  expect(await bodies('dead')).toEqual(['late']);
});

describe('a slow task', () => {
  beforeEach(async () => {
    await bury('work-a', ['a1', 'a2', 'a3', 'a4']);
  });
  const oneMoved = () => vi.waitUntil(async () => (await waiting('work-a')) === '1', { timeout: 20_000, interval: 5 });

  test('is the only one of its source, shows its progress and its handle, and can be cancelled', async () => {
    const handle = await start({ MaxNumberOfMessagesPerSecond: 1 });
    await oneMoved();
    await expect(start()).rejects.toMatchObject({ code: 'UnsupportedOperation' });
    expect((await list())[0]).toMatchObject({
      TaskHandle: handle,
      Status: 'RUNNING',
      MaxNumberOfMessagesPerSecond: 1,
      ApproximateNumberOfMessagesMoved: 1,
      ApproximateNumberOfMessagesToMove: 4,
      StartedTimestamp: queue.service.now(),
    });

    const cancelled = await queue.call('CancelMessageMoveTask', { TaskHandle: handle });

    expect(cancelled).toEqual({ ApproximateNumberOfMessagesMoved: 1 });
    expect((await list())[0]).toMatchObject({ Status: 'CANCELLED', ApproximateNumberOfMessagesMoved: 1 });
    expect((await list())[0]?.TaskHandle).toBeUndefined();
    expect(await waiting('dead')).toBe('3');
    await expect(queue.call('CancelMessageMoveTask', { TaskHandle: handle })).rejects.toMatchObject({
      code: 'UnsupportedOperation',
    });
  });

  test('goes on after a restart, each message moved once', async () => {
    await start({ MaxNumberOfMessagesPerSecond: 2 });
    await oneMoved();

    queue.restart();

    expect(await ended()).toMatchObject({ Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 4 });
    expect(await waiting('work-a')).toBe('4');
    expect(await waiting('dead')).toBe('0');
  });

  test('fails when its destination is deleted meanwhile', async () => {
    await start({ MaxNumberOfMessagesPerSecond: 2 });
    await oneMoved();
    await queue.call('DeleteQueue', { QueueUrl: urlOf('work-a') });
    expect(await ended()).toMatchObject({ Status: 'FAILED', FailureReason: 'AWS.SimpleQueueService.NonExistentQueue' });
    expect(await waiting('dead')).toBe('3');
  });
});

test('the latest tasks are listed first, one unless more are asked for', async () => {
  await queue.create('elsewhere');
  for (const destination of ['elsewhere', 'work-b']) {
    await start({ DestinationArn: arnOf(destination) });
    await ended();
  }
  expect((await list()).map((task) => task.DestinationArn)).toEqual([arnOf('work-b'), arnOf('elsewhere')]);
  expect(Results.parse((await queue.call('ListMessageMoveTasks', { SourceArn: arnOf('dead') })).Results)).toHaveLength(1);
});

test.each([
  ['a source that does not exist', { SourceArn: arnOf('nowhere') }, 'ResourceNotFoundException'],
  ['a source that is no dead-letter queue', { SourceArn: arnOf('work-a') }, 'InvalidParameterValueException'],
  ['a destination that does not exist', { DestinationArn: arnOf('nowhere') }, 'ResourceNotFoundException'],
  ['its source as destination', { DestinationArn: arnOf('dead') }, 'InvalidParameterValueException'],
  ['501 messages a second', { MaxNumberOfMessagesPerSecond: 501 }, 'InvalidParameterValueException'],
])('a task with %s is refused', async (_, input, code) => {
  await expect(start(input)).rejects.toMatchObject({ code });
  expect(await list()).toEqual([]);
});

test('a handle that names no task is refused', async () => {
  const unknown = Buffer.from(JSON.stringify({ taskId: 'none', sourceArn: arnOf('dead') })).toString('base64url');
  const cancel = (TaskHandle: string) => queue.call('CancelMessageMoveTask', { TaskHandle });
  await expect(cancel(unknown)).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
  await expect(cancel('garbage')).rejects.toMatchObject({ code: 'InvalidParameterValueException' });
});

test('no pace is above what was asked for, nor far below it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), (perSecond) => {
      const { batch, intervalMs } = paceOf(perSecond);
      const reached = (batch * 1000) / intervalMs;
      expect(reached).toBeLessThanOrEqual(perSecond);
      expect(reached).toBeGreaterThan(perSecond * 0.9);
    }),
  );
});
