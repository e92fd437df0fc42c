import { expect, test } from 'vitest';
import { batchesOf } from '../../../../consumers/dead-letters/letter-batches.ts';

test('batches keep to both bounds and to the order, and what is too large for any goes alone', () => {
  const letters = [4, 4, 4, 20, 1, 1, 1, 1].map((bytes) => ({ bytes }));
  const sizes = batchesOf(letters, { messages: 3, bytes: 10 }).map((batch) => batch.map(({ bytes }) => bytes));
  expect(sizes).toEqual([[4, 4], [4], [20], [1, 1, 1], [1]]);
  expect(batchesOf([], { messages: 3, bytes: 10 })).toEqual([]);
});
