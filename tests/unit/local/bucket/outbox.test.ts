import { afterEach, beforeEach, expect, test } from 'vitest';
import { openScratch, type Scratch } from './scratch.ts';

const delivered: string[] = [];
let refuse = 0;
let scratch: Scratch;

beforeEach(() => {
  delivered.length = 0;
  refuse = 0;
  scratch = openScratch({
    deliver: async (_, body) => {
      if (refuse > 0) {
        refuse -= 1;
        throw new Error('the queue is away');
      }
      delivered.push(body);
    },
  });
  scratch.objects.setNotifications('videos', [
    {
      id: 'one',
      queueArn: 'arn:aws:sqs:us-east-1:0:q',
      events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
      prefix: 'p/',
      suffix: '',
    },
  ]);
});
afterEach(() => scratch.close());

const summary = () =>
  delivered
    .map((body) => JSON.parse(body).Records[0])
    .map(({ eventName, s3 }) => [eventName, s3.object.key, s3.object.sequencer] as const)
    .toSorted((one, other) => (one[2] < other[2] ? -1 : 1))
    .map(([name, key]) => `${name} ${key}`);

test('every write and removal that somebody asked to hear of is told once, with a growing sequencer', async () => {
  scratch.put('p/a', 'one');
  scratch.put('p/a', 'two');
  scratch.put('elsewhere', 'x');
  scratch.remove('p/a');
  scratch.remove('p/a');
  await scratch.outbox.idle();
  expect(summary()).toEqual(['ObjectCreated:Put p/a', 'ObjectCreated:Put p/a', 'ObjectRemoved:Delete p/a']);
});

test('what a queue refuses is delivered when it takes messages again', async () => {
  refuse = 2;
  scratch.put('p/a', 'one');
  await scratch.outbox.idle();
  expect(summary()).toEqual(['ObjectCreated:Put p/a']);
});

test('a write whose condition fails is not told of', async () => {
  scratch.put('p/a', 'one');
  expect(() => scratch.put('p/a', 'two', new Map([['if-none-match', '*']]))).toThrow();
  await scratch.outbox.idle();
  expect(delivered).toHaveLength(1);
});

test('what is not delivered when the bucket closes is on disk', async () => {
  refuse = Number.POSITIVE_INFINITY;
  scratch.put('p/a', 'one');
  await scratch.outbox.close();
  expect(scratch.database.rows('SELECT * FROM outbox')).toHaveLength(1);
  await scratch.outbox.idle();
});
