import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { formatUri, keyFault, parseObjectUri, parseUri, withoutQuery } from '../../../storage/uri.ts';

const anyKey = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }).filter((key) => keyFault(key) === undefined);

function refusal(text: string): MillraceError {
  try {
    parseUri(text);
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
  throw new Error(`${text} was accepted`);
}

describe('parseUri', () => {
  test('keeps any valid key byte for byte, and formatUri gives the text back', () => {
    fc.assert(
      fc.property(fc.constantFrom('s3', 'gs'), anyKey, (scheme, key) => {
        const text = `${scheme}://videos/${key}`;
        expect(parseUri(text)).toEqual({ scheme, bucket: 'videos', key });
        expect(formatUri(parseUri(text))).toBe(text);
      }),
    );
  });

  test('throws nothing but URI_INVALID, whatever the text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .tuple(fc.constantFrom('s3://', 'gs://', 'https://', 'http://'), fc.string({ unit: 'binary' }))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          expect(formatUri(parseUri(input)).length).toBeGreaterThan(0);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'URI_INVALID' });
        }
      }),
    );
  });

  test.each([
    ['s3://videos/a%20b?c#d&e=f', { scheme: 's3', bucket: 'videos', key: 'a%20b?c#d&e=f' }],
    ['S3://videos//leading', { scheme: 's3', bucket: 'videos', key: '/leading' }],
    ['gs://my.bucket_1/ä/…', { scheme: 'gs', bucket: 'my.bucket_1', key: 'ä/…' }],
    ['https://h/x?X-Amz-Signature=1', { scheme: 'https', url: 'https://h/x?X-Amz-Signature=1' }],
  ])('reads %s', (text, expected) => {
    expect(parseUri(text)).toEqual(expected);
  });

  test.each([
    's3://videos/../other',
    's3://videos/a/./b',
    's3://videos/a/..',
    's3://videos',
    's3://videos/',
    's3:///key',
    's3://a b/key',
    's3://bad..name/key',
    's3://videos/a\u0000b',
    's3://videos/\ud800',
    `s3://videos/${'ä'.repeat(513)}`,
    'https://',
    'https://ho st/',
    'https://host\\@other/',
    'ftp://host/file',
    'videos/key',
    '',
  ])('refuses %j', (text) => {
    expect(refusal(text).code).toBe('URI_INVALID');
  });

  test('names what it found, without query, user or password', () => {
    expect(refusal('ftp://user:secret@host/file?token=secret').message).toBe(
      'expected a URI that starts with s3://, gs://, https:// or http://: "ftp://host/file"',
    );
    expect(refusal('https://user:secret@host/x?sig=secret').message).not.toContain('secret');
  });

  test('parseObjectUri takes no web address', () => {
    expect(() => parseObjectUri('https://host/x')).toThrow('expected an s3:// or gs:// URI: "https://host/x"');
  });
});

test('withoutQuery cuts signature and fragment off a web address and leaves a key alone', () => {
  expect(withoutQuery('https://h/a%20b?X-Amz-Signature=1#f')).toBe('https://h/a%20b');
  expect(withoutQuery('https://u:p@h/a?b')).toBe('https://h/a');
  expect(withoutQuery('s3://videos/what?.mp4')).toBe('s3://videos/what?.mp4');
});
