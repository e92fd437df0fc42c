import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ClockedQueue, startClockedQueue, urlOf } from './clocked-queue.ts';

let queue: ClockedQueue;
beforeEach(async () => {
  queue = startClockedQueue();
  await queue.create('work');
});
afterEach(() => queue.close());

const poll = (more: object = {}) => queue.receive('work', { WaitTimeSeconds: 20, ...more });
const bodies = async (received: ReturnType<typeof poll>) => (await received).map((message) => message.Body);

test('a message wakes whoever waits for it', async () => {
  const waiting = poll();
  await queue.send('work', 'm');
  expect(await bodies(waiting)).toEqual(['m']);
});

test('those who wait are served in the order in which they came', async () => {
  const waiting = [poll(), poll(), poll()];
  for (const body of ['first', 'second', 'third']) await queue.send('work', body);
  expect(await Promise.all(waiting.map(bodies))).toEqual([['first'], ['second'], ['third']]);
});

test('whoever waits is served before somebody who comes later and would not wait', async () => {
  const waiting = poll();
  const [late] = await Promise.all([queue.receive('work'), queue.send('work', 'm')]);
  expect(late).toEqual([]);
  expect(await bodies(waiting)).toEqual(['m']);
});

test('a message given back by its receiver wakes whoever waits', async () => {
  await queue.send('work', 'm');
  const [message] = await queue.receive('work');
  const waiting = poll();
  await queue.call('ChangeMessageVisibility', {
    QueueUrl: urlOf('work'),
    ReceiptHandle: message?.ReceiptHandle,
    VisibilityTimeout: 0,
  });
  expect(await bodies(waiting)).toEqual(['m']);
});

test('whoever has gone gets nothing, and the next one does', async () => {
  const leaving = new AbortController();
  const gone = queue.reply('ReceiveMessage', { QueueUrl: urlOf('work'), WaitTimeSeconds: 20 }, leaving.signal);
  const waiting = poll();
  const sending = queue.send('work', 'm');
  leaving.abort();
  await sending;
  expect((await gone).body).toEqual({});
  expect((await waiting)[0]?.Attributes.ApproximateReceiveCount).toBe('1');
});

test('a receive whose answer could not be written is taken back as if it had not been', async () => {
  await queue.send('work', 'm');
  const lost = await queue.reply('ReceiveMessage', { QueueUrl: urlOf('work') });
  expect(await queue.receive('work')).toEqual([]);
  queue.pass(3);

  await lost.undelivered?.();

  const [message] = await queue.receive('work');
  expect(message?.Attributes.ApproximateReceiveCount).toBe('1');
  expect(message?.Attributes.ApproximateFirstReceiveTimestamp).toBe(String(queue.service.now()));
});

test('taking a receive back does nothing to a message that somebody else has received since', async () => {
  await queue.send('work', 'm');
  const lost = await queue.reply('ReceiveMessage', { QueueUrl: urlOf('work') });
  queue.pass(30);
  await queue.receive('work');

  await lost.undelivered?.();

  expect(await queue.receive('work')).toEqual([]);
  expect(await queue.attribute('work', 'ApproximateNumberOfMessagesNotVisible')).toBe('1');
});

test('a message that becomes visible while a receive is committed is not missed', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  await queue.send('work', 'm', { DelaySeconds: 1 });
  const waiting = poll({ WaitTimeSeconds: 2 });
  // Committed together with the receive, which has found nothing by then.
  await queue.service.store.write(() => queue.pass(2));
  expect(await bodies(waiting)).toEqual(['m']);
  process.off('warning', onWarning);
  // Node's, of a timer that is to have rung already.
  expect(warnings).toEqual([]);
});

test('closing answers everybody with nothing', async () => {
  const waiting = [poll(), poll()];
  queue.service.pollers.close();
  expect(await Promise.all(waiting)).toEqual([[], []]);
  expect(await poll()).toEqual([]);
});

test('deleting the queue tells whoever waits there', async () => {
  const waiting = poll();
  const told = expect(waiting).rejects.toMatchObject({ code: 'QueueDoesNotExist' });
  await queue.call('DeleteQueue', { QueueUrl: urlOf('work') });
  await told;
});

test('a wait that nothing ends is over after its time', async () => {
  const startedMs = performance.now();
  expect(await poll({ WaitTimeSeconds: 1 })).toEqual([]);
  expect(performance.now() - startedMs).toBeGreaterThan(990);
});
