import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRange } from '../../../api/byte-range.ts';

test.each<[string | null, { start: number; end: number } | undefined]>([
  [null, undefined],
  ['bytes=0-0', { start: 0, end: 0 }],
  ['bytes=3-', { start: 3, end: 9 }],
  ['bytes=-3', { start: 7, end: 9 }],
  ['bytes=-30', { start: 0, end: 9 }],
  ['bytes=5-100', { start: 5, end: 9 }],
  ['bytes=5-2', undefined],
  ['bytes=-', undefined],
  ['bytes=a-b', undefined],
  ['bytes=0-1,4-5', undefined],
])('of ten bytes, %s is %o', (header, range) => {
  expect(readRange(header, 10)).toEqual(range);
});

test.each(['bytes=10-', 'bytes=10-12', 'bytes=-0'])('of ten bytes, %s cannot be sent', (header) => {
  expect(() => readRange(header, 10)).toThrow(expect.objectContaining({ code: 'RANGE_UNSATISFIABLE' }));
});

test('a range never leaves the object, whatever is asked for', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.option(fc.nat(2000)), fc.option(fc.nat(2000)), (sizeBytes, from, to) => {
      try {
        const range = readRange(`bytes=${from ?? ''}-${to ?? ''}`, sizeBytes);
        if (range === undefined) return;
        expect(range.start).toBeLessThanOrEqual(range.end);
        expect(range.end).toBeLessThan(sizeBytes);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'RANGE_UNSATISFIABLE' });
      }
    }),
  );
});
