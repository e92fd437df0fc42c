import { expect, test } from 'vitest';
import { both } from '../../../handlers/pool.ts';

test('both results come in their order, whichever is there first', async () => {
  const first = Promise.withResolvers<string>();
  const second = Promise.resolve(2);
  const result = both(first.promise, second);
  await second;
  first.resolve('one');
  expect(await result).toEqual(['one', 2]);
});

test('a failure waits for the other to end', async () => {
  const slow = Promise.withResolvers<string>();
  let isOver = false;
  const result = both(Promise.reject(new Error('broken')), slow.promise).finally(() => {
    isOver = true;
  });
  result.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  slow.resolve('late');
  await expect(result).rejects.toThrow('broken');
});

test('of two failures the first one’s is thrown, although the second came earlier', async () => {
  const slow = Promise.withResolvers<string>();
  const result = both(slow.promise, Promise.reject(new Error('second')));
  result.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  slow.reject(new Error('first'));
  await expect(result).rejects.toThrow('first');
});
