import { expect, test } from 'vitest';
import {
  canonicalRequest,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
  timingSafeEqualText,
  uriEncode,
} from '../../../../local/sigv4.ts';

// The key, date and signatures of AWS's published Signature Version 4 test suite.
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const AMZ_DATE = '20150830T123600Z';
const SCOPE = { date: '20150830', region: 'us-east-1', service: 'service' };
const HEADERS: Readonly<Record<string, readonly string[]>> = { host: ['example.amazonaws.com'], 'x-amz-date': [AMZ_DATE] };

const signed = (query: readonly (readonly [string, string])[]) => {
  const canonical = canonicalRequest({
    method: 'GET',
    path: '/',
    pathEncoding: 'encoded-again',
    query,
    header: (name) => HEADERS[name] ?? [],
    signedHeaders: ['host', 'x-amz-date'],
    payloadHash: sha256Hex(''),
  });
  return signatureOf(signingKey(SECRET, SCOPE), stringToSign(AMZ_DATE, SCOPE, canonical));
};

test('the signing key is the one of the documented example', () => {
  const key = signingKey(SECRET, { date: '20150830', region: 'us-east-1', service: 'iam' });
  expect(key.toString('hex')).toBe('c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9');
});

test('get-vanilla has its published signature', () => {
  expect(signed([])).toBe('5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31');
});

test('get-vanilla-query-order-key-case has its published signature, whatever order the query came in', () => {
  const published = 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500';
  expect(
    signed([
      ['Param2', 'value2'],
      ['Param1', 'value1'],
    ]),
  ).toBe(published);
  expect(
    signed([
      ['Param1', 'value1'],
      ['Param2', 'value2'],
    ]),
  ).toBe(published);
});

test('encoding leaves only unreserved characters', () => {
  expect(uriEncode("aZ0-_.~ /+!'()*é")).toBe('aZ0-_.~%20%2F%2B%21%27%28%29%2A%C3%A9');
});

test('headers are trimmed, their inner spaces folded and their values joined', () => {
  const canonical = canonicalRequest({
    method: 'POST',
    path: '/a b',
    pathEncoding: 'as-sent',
    query: [],
    header: () => ['  a   b ', 'c'],
    signedHeaders: ['x'],
    payloadHash: 'hash',
  });
  expect(canonical).toBe('POST\n/a b\n\nx:a b,c\n\nx\nhash');
});

test('texts of any lengths compare', () => {
  expect(timingSafeEqualText('abc', 'abc')).toBe(true);
  expect(timingSafeEqualText('abc', 'abd')).toBe(false);
  expect(timingSafeEqualText('abc', 'abcd')).toBe(false);
});
