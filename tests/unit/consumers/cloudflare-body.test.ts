import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBody } from '../../../consumers/cloudflare-body.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const event = '{"account":"a","action":"PutObject","object":{"key":"pipelines/ü/x.json"}}';

test('JSON comes out the same, whether it was encoded or not', () => {
  expect(decodeBody(base64(event), 'json')).toBe(event);
  expect(decodeBody(event, 'json')).toBe(event);
  expect(decodeBody(base64(event), undefined)).toBe(event);
  expect(decodeBody(event, undefined)).toBe(event);
});

test('text that says it is text is never decoded, even where it would be base64', () => {
  expect(decodeBody('abcd', 'text')).toBe('abcd');
  expect(decodeBody(base64(event), 'text')).toBe(base64(event));
});

test.each([
  ['not base64', 'this is no JSON'],
  ['of the wrong length', 'abcde'],
  ['padded in the middle', 'ab==cdef'],
  ['base64 of bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x80]).toString('base64')],
  ['empty', ''],
])('a body that is %s stays as it is', (_what, body) => {
  expect(decodeBody(body, 'json')).toBe(body);
});

test('a byte order mark survives', () => {
  expect(decodeBody(base64('\ufeff{}'), 'json')).toBe('\ufeff{}');
});

test('every JSON object comes out the same, encoded or plain', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const text = JSON.stringify(value);
      expect(decodeBody(base64(text), 'json')).toBe(text);
      expect(decodeBody(text, 'json')).toBe(text);
    }),
  );
});
