import { describe, expect, it } from 'vitest';
import { both, mapInPool } from '../../../handlers/pool.ts';

describe('mapInPool', () => {
  it('keeps the order, and the bound', async () => {
    let running = 0;
    let most = 0;
    const results = await mapInPool([5, 1, 3, 2, 4], 2, async (value, index) => {
      running++;
      most = Math.max(most, running);
      for (let turn = 0; turn < value; turn++) await new Promise(setImmediate);
      running--;
      return value * 10 + index;
    });
    expect(results).toEqual([50, 11, 32, 23, 44]);
    expect(most).toBe(2);
  });

  it('throws the first failure once the running ones ended, and takes no more', async () => {
    const taken: number[] = [];
    const work = mapInPool([0, 1, 2, 3, 4], 2, async (value) => {
      taken.push(value);
      if (value === 1) throw new Error('one');
      await new Promise(setImmediate);
    });
    await expect(work).rejects.toThrow('one');
    expect(taken).toEqual([0, 1]);
  });
});

describe('both', () => {
  it('both results come in their order, whichever is there first', async () => {
    const first = Promise.withResolvers<string>();
    const second = Promise.resolve(2);
    const result = both(first.promise, second);
    await second;
    first.resolve('one');
    expect(await result).toEqual(['one', 2]);
  });

  it('a failure waits for the other to end', async () => {
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

  it('of two failures the first one’s is thrown, although the second came earlier', async () => {
    const slow = Promise.withResolvers<string>();
    const result = both(slow.promise, Promise.reject(new Error('second')));
    result.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    slow.reject(new Error('first'));
    await expect(result).rejects.toThrow('first');
  });
});
