import { describe, expect, test } from 'vitest';
import { selectFields } from '../../../../../local/bucket/google/fields.ts';

const page = {
  kind: 'objects',
  nextPageToken: 't',
  items: [
    { name: 'a', size: '1', metadata: { x: 'y' } },
    { name: 'b', size: '2' },
  ],
};

describe('selectFields', () => {
  test.each([
    { fields: undefined, expected: page },
    { fields: '*', expected: page },
    { fields: 'nextPageToken', expected: { nextPageToken: 't' } },
    { fields: 'nextPageToken,items(name)', expected: { nextPageToken: 't', items: [{ name: 'a' }, { name: 'b' }] } },
    {
      fields: 'items(name,metadata(x)),kind',
      expected: { kind: 'objects', items: [{ name: 'a', metadata: { x: 'y' } }, { name: 'b' }] },
    },
  ])('$fields', ({ fields, expected }) => {
    expect(selectFields(page, fields)).toEqual(expected);
  });

  test.each(['', ',', 'items(', 'items()', 'items)', 'a b', 'a,,b', `${'a('.repeat(1500)}`])('%o is refused', (fields) => {
    expect(() => selectFields(page, fields)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});
