import { expect, test } from 'vitest';
import { createReceiveCounts } from '../../../consumers/receive-counts.ts';

test('each message is counted for itself, until it is forgotten', () => {
  const counts = createReceiveCounts();
  expect([counts.next('a'), counts.next('a'), counts.next('b'), counts.next('a')]).toEqual([1, 2, 1, 3]);
  counts.forget('a');
  expect([counts.next('a'), counts.next('b')]).toEqual([1, 2]);
});

test('the one that was not seen for longest makes room', () => {
  const counts = createReceiveCounts(2);
  counts.next('a');
  counts.next('b');
  counts.next('a');
  counts.next('c');
  expect([counts.next('a'), counts.next('b')]).toEqual([3, 1]);
});
