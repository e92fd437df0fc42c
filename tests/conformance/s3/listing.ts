import { ListObjectsCommand, ListObjectsV2Command, type ListObjectsV2CommandInput, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, expect } from 'vitest';
import { refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

/** In the order of their UTF-8 bytes, which for the last two is not the order of their UTF-16 units. */
const KEYS = [
  'list/a b',
  'list/a%20b',
  'list/a+b',
  'list/a/1',
  'list/a/2/x',
  'list/a/2/y',
  'list/b',
  'list/c/1',
  'list/ä',
  'list/\uff5e',
  'list/🎬',
];

export function listingChecks({ s3, check }: Suite): void {
  beforeAll(async () => {
    for (const Key of [...KEYS].reverse()) await s3().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
  });
  const list = (more: Partial<ListObjectsV2CommandInput>) =>
    s3().send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'list/', ...more }));
  const keysOf = (answer: { Contents?: { Key?: string | undefined }[] | undefined }) =>
    (answer.Contents ?? []).map(({ Key }) => Key);
  const prefixesOf = (answer: { CommonPrefixes?: { Prefix?: string | undefined }[] | undefined }) =>
    (answer.CommonPrefixes ?? []).map(({ Prefix }) => Prefix);

  check('list-order', 'keys come in the order of their UTF-8 bytes', async () => {
    const answer = await list({});
    expect(keysOf(answer)).toEqual(KEYS);
    expect({ count: answer.KeyCount, truncated: answer.IsTruncated }).toEqual({ count: KEYS.length, truncated: false });
  });

  check('list-entry', 'an entry has ETag, size and time', async () => {
    const { Contents } = await list({ Prefix: 'list/b' });
    expect(Contents?.[0]).toMatchObject({ ETag: '"9dd4e461268c8034f5c8564e155c67a6"', Size: 1, StorageClass: 'STANDARD' });
    expect(Math.abs(Date.now() - (Contents?.[0]?.LastModified?.getTime() ?? 0))).toBeLessThan(120_000);
  });

  check('list-pages', 'pages of any size give every key once', async () => {
    for (const MaxKeys of [1, 2, 5]) {
      const keys: (string | undefined)[] = [];
      let token: string | undefined;
      do {
        const answer = await list({ MaxKeys, ...(token === undefined ? {} : { ContinuationToken: token }) });
        expect(answer.KeyCount).toBeLessThanOrEqual(MaxKeys);
        keys.push(...keysOf(answer));
        token = answer.NextContinuationToken;
        expect(answer.IsTruncated).toBe(token !== undefined);
      } while (token !== undefined);
      expect(keys).toEqual(KEYS);
    }
  });

  check('list-delimiter', 'a delimiter rolls keys up into common prefixes', async () => {
    const answer = await list({ Delimiter: '/' });
    expect(prefixesOf(answer)).toEqual(['list/a/', 'list/c/']);
    expect(keysOf(answer)).toEqual(KEYS.filter((key) => !key.slice('list/'.length).includes('/')));
    expect(answer.KeyCount).toBe(9);
  });

  check('list-delimiter-pages', 'pages of a listing with a delimiter give every entry once', async () => {
    const entries: (string | undefined)[] = [];
    let token: string | undefined;
    do {
      const answer = await list({ Delimiter: '/', MaxKeys: 1, ...(token === undefined ? {} : { ContinuationToken: token }) });
      entries.push(...keysOf(answer), ...prefixesOf(answer));
      token = answer.NextContinuationToken;
    } while (token !== undefined);
    expect(entries).toEqual([
      'list/a b',
      'list/a%20b',
      'list/a+b',
      'list/a/',
      'list/b',
      'list/c/',
      'list/ä',
      'list/\uff5e',
      'list/🎬',
    ]);
  });

  check('list-start-after', 'start-after begins behind that key, whether it is there or not', async () => {
    expect(keysOf(await list({ StartAfter: 'list/b' }))).toEqual(KEYS.slice(7));
    expect(keysOf(await list({ StartAfter: 'list/bb' }))).toEqual(KEYS.slice(7));
    expect(keysOf(await list({ StartAfter: 'a' }))).toEqual(KEYS);
    expect(keysOf(await list({ StartAfter: 'z' }))).toEqual([]);
  });

  check('list-encoding', 'encoding-type=url encodes keys and prefixes so that form-decoding gives them back', async () => {
    const answer = await list({ EncodingType: 'url', Delimiter: '/' });
    const decode = (text: string | undefined) => decodeURIComponent((text ?? '').replaceAll('+', ' '));
    expect(keysOf(answer).map(decode)).toEqual(KEYS.filter((key) => !key.slice('list/'.length).includes('/')));
    expect(prefixesOf(answer).map(decode)).toEqual(['list/a/', 'list/c/']);
    expect(keysOf(answer)).toContain('list/%C3%A4');
  });

  check('list-zero', 'max-keys=0 gives an empty page that is not truncated', async () => {
    const answer = await list({ MaxKeys: 0 });
    expect({ keys: keysOf(answer), truncated: answer.IsTruncated }).toEqual({ keys: [], truncated: false });
  });

  check('list-bad-token', 'a continuation token that nobody gave out is InvalidArgument', async () => {
    expect(await refusal(list({ ContinuationToken: 'made-up' }))).toEqual({ status: 400, code: 'InvalidArgument' });
  });

  check('list-v1', 'the first version of the listing goes on from NextMarker', async () => {
    const entries: (string | undefined)[] = [];
    let Marker: string | undefined;
    do {
      const answer = await s3().send(
        new ListObjectsCommand({
          Bucket: BUCKET,
          Prefix: 'list/',
          Delimiter: '/',
          MaxKeys: 2,
          ...(Marker === undefined ? {} : { Marker }),
        }),
      );
      entries.push(...keysOf(answer), ...prefixesOf(answer));
      Marker = answer.IsTruncated === true ? answer.NextMarker : undefined;
    } while (Marker !== undefined);
    expect(entries.sort()).toEqual(
      ['list/a b', 'list/a%20b', 'list/a+b', 'list/a/', 'list/b', 'list/c/', 'list/ä', 'list/\uff5e', 'list/🎬'].sort(),
    );
  });
}
