import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

export function objectChecks({ s3, client, check }: Suite): void {
  const put = (Key: string, Body: string, more = {}) => s3().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));
  const read = async (Key: string) => {
    const { Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    return Body?.transformToString();
  };

  check('put-etag', 'a PUT answers the MD5 of its body as the ETag, in quotes', async () => {
    const { ETag } = await put('put-etag', 'hello');
    expect(ETag).toBe('"5d41402abc4b2a76b9719d911017c592"');
  });

  check('round-trip', 'headers, metadata and bytes come back as they were written', async () => {
    await put('round-trip', 'hello', {
      ContentType: 'text/x-test',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a.txt"',
      ContentLanguage: 'de',
      Metadata: { fingerprint: 'f00', 'Two-Words': 'two words' },
    });
    const head = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'round-trip' }));
    expect(head).toMatchObject({
      ContentLength: 5,
      ContentType: 'text/x-test',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a.txt"',
      ContentLanguage: 'de',
      Metadata: { fingerprint: 'f00', 'two-words': 'two words' },
    });
    expect(await read('round-trip')).toBe('hello');
  });

  check('empty', 'an empty object can be written and read', async () => {
    await put('empty', '');
    const { ContentLength, Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'empty' }));
    expect(ContentLength).toBe(0);
    expect(await Body?.transformToString()).toBe('');
  });

  check('overwrite', 'a second PUT replaces the first, metadata included', async () => {
    await put('overwrite', 'one', { Metadata: { a: '1' } });
    await put('overwrite', 'three');
    const { Metadata, ContentLength } = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'overwrite' }));
    expect({ Metadata, ContentLength }).toEqual({ Metadata: {}, ContentLength: 5 });
  });

  for (const key of ['odd/ü ñ 漢字 🎬', 'odd/a+b%2Fc%', "odd/!*'();:@&=$,?#[]", 'odd/tail/', 'odd//double', 'odd/<&">']) {
    check(`odd-key ${key}`, `the key ${JSON.stringify(key)} holds its own object`, async () => {
      await put(key, key);
      expect(await read(key)).toBe(key);
    });
  }

  check('file-and-folder', 'the keys a and a/b are two objects', async () => {
    await put('file-and-folder/a', 'file');
    await put('file-and-folder/a/b', 'folder');
    expect([await read('file-and-folder/a'), await read('file-and-folder/a/b')]).toEqual(['file', 'folder']);
  });

  check('case', 'the keys X and x are two objects', async () => {
    await put('case/X', 'upper');
    await put('case/x', 'lower');
    expect([await read('case/X'), await read('case/x')]).toEqual(['upper', 'lower']);
  });

  check('no-such-key', 'reading what is not there is NoSuchKey', async () => {
    expect(await refusal(s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'no-such-key' })))).toEqual({
      status: 404,
      code: 'NoSuchKey',
    });
  });

  check('head-missing', 'HEAD of what is not there is a 404 without a body', async () => {
    expect((await refusal(s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'head-missing' })))).status).toBe(404);
  });

  check('no-such-bucket', 'a bucket that is not there is NoSuchBucket', async () => {
    const call = s3().send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'k' }));
    expect(await refusal(call)).toEqual({ status: 404, code: 'NoSuchBucket' });
  });

  for (const { range, expected, contentRange } of [
    { range: 'bytes=2-4', expected: 'cde', contentRange: 'bytes 2-4/10' },
    { range: 'bytes=7-', expected: 'hij', contentRange: 'bytes 7-9/10' },
    { range: 'bytes=-3', expected: 'hij', contentRange: 'bytes 7-9/10' },
    { range: 'bytes=8-100', expected: 'ij', contentRange: 'bytes 8-9/10' },
    { range: 'bytes=-100', expected: 'abcdefghij', contentRange: 'bytes 0-9/10' },
  ]) {
    check(`range ${range}`, `Range ${range} of ten bytes is ${expected}`, async () => {
      await put('range', 'abcdefghij');
      const answer = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'range', Range: range }));
      expect(await answer.Body?.transformToString()).toBe(expected);
      expect({ range: answer.ContentRange, status: answer.$metadata.httpStatusCode }).toEqual({
        range: contentRange,
        status: 206,
      });
    });
  }

  check('range-outside', 'a range behind the end is InvalidRange', async () => {
    await put('range-outside', 'abc');
    const call = s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'range-outside', Range: 'bytes=3-' }));
    expect(await refusal(call)).toEqual({ status: 416, code: 'InvalidRange' });
  });

  check('response-overrides', 'a GET can ask for other headers', async () => {
    await put('response-overrides', 'x', { ContentType: 'text/plain' });
    const answer = await s3().send(
      new GetObjectCommand({
        Bucket: BUCKET,
        Key: 'response-overrides',
        ResponseContentType: 'video/mp4',
        ResponseContentDisposition: 'attachment; filename="out put.mp4"',
      }),
    );
    await answer.Body?.transformToString();
    expect(answer).toMatchObject({ ContentType: 'video/mp4', ContentDisposition: 'attachment; filename="out put.mp4"' });
  });

  check('delete', 'DELETE removes, and deleting what is not there is no error', async () => {
    await put('delete', 'x');
    await s3().send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'delete' }));
    expect((await refusal(s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'delete' })))).status).toBe(404);
    const again = await s3().send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'delete' }));
    expect(again.$metadata.httpStatusCode).toBe(204);
  });

  for (const { id, sentence, keys } of [
    {
      id: 'delete-objects',
      sentence: 'DeleteObjects removes every key that it names, odd ones and absent ones too',
      keys: ['delete-objects/a', 'delete-objects/ü +&<%>"\''],
    },
    {
      id: 'delete-objects-control',
      sentence: 'DeleteObjects removes keys with line breaks',
      keys: ['delete-objects-control/a\nb\rc'],
    },
  ]) {
    check(id, sentence, async () => {
      for (const key of keys) await put(key, 'x');
      const { Deleted, Errors } = await s3().send(
        new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects: [...keys, `${id}/absent`].map((Key) => ({ Key })) } }),
      );
      expect(Errors ?? []).toEqual([]);
      expect(Deleted).toHaveLength(keys.length + 1);
      for (const key of keys)
        expect((await refusal(s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: key })))).status).toBe(404);
    });
  }

  check('delete-objects-quiet', 'DeleteObjects can be quiet', async () => {
    await put('delete-objects-quiet', 'x');
    const { Deleted } = await s3().send(
      new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Quiet: true, Objects: [{ Key: 'delete-objects-quiet' }] } }),
    );
    expect(Deleted ?? []).toEqual([]);
  });

  check('copy', 'a copy takes bytes, headers and metadata along', async () => {
    await put('copy/söurce +%', 'copied', { ContentType: 'text/x-copy', Metadata: { a: '1' } });
    const { CopyObjectResult } = await s3().send(
      new CopyObjectCommand({
        Bucket: BUCKET,
        Key: 'copy/target',
        CopySource: `${BUCKET}/copy/${encodeURIComponent('söurce +%')}`,
      }),
    );
    expect(CopyObjectResult?.ETag).toBe(`"${createHash('md5').update('copied').digest('hex')}"`);
    expect(await read('copy/target')).toBe('copied');
    const head = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'copy/target' }));
    expect(head).toMatchObject({ ContentType: 'text/x-copy', Metadata: { a: '1' } });
  });

  check('copy-replace', 'a copy can replace headers and metadata, even onto itself', async () => {
    await put('copy-replace', 'x', { ContentType: 'text/x-old', Metadata: { old: '1' } });
    await s3().send(
      new CopyObjectCommand({
        Bucket: BUCKET,
        Key: 'copy-replace',
        CopySource: `${BUCKET}/copy-replace`,
        MetadataDirective: 'REPLACE',
        ContentType: 'text/x-new',
        Metadata: { new: '2' },
      }),
    );
    const head = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'copy-replace' }));
    expect({ type: head.ContentType, metadata: head.Metadata }).toEqual({ type: 'text/x-new', metadata: { new: '2' } });
  });

  check('copy-itself', 'a copy onto itself that changes nothing is refused', async () => {
    await put('copy-itself', 'x');
    const call = s3().send(new CopyObjectCommand({ Bucket: BUCKET, Key: 'copy-itself', CopySource: `${BUCKET}/copy-itself` }));
    expect(await refusal(call)).toEqual({ status: 400, code: 'InvalidRequest' });
  });

  check('copy-missing', 'a copy of what is not there is NoSuchKey', async () => {
    const call = s3().send(new CopyObjectCommand({ Bucket: BUCKET, Key: 'copy-missing', CopySource: `${BUCKET}/nothing-here` }));
    expect(await refusal(call)).toEqual({ status: 404, code: 'NoSuchKey' });
  });

  check('copy-if-match', 'a copy whose source is another version is refused', async () => {
    await put('copy-if-match', 'x');
    const call = s3().send(
      new CopyObjectCommand({
        Bucket: BUCKET,
        Key: 'copy-if-match/target',
        CopySource: `${BUCKET}/copy-if-match`,
        CopySourceIfMatch: '"00000000000000000000000000000000"',
      }),
    );
    expect(await refusal(call)).toEqual({ status: 412, code: 'PreconditionFailed' });
  });

  check('content-md5', 'a wrong Content-MD5 is BadDigest, and nothing is stored', async () => {
    const md5 = createHash('md5').update('other').digest('base64');
    expect(await refusal(put('content-md5', 'body', { ContentMD5: md5 }))).toEqual({ status: 400, code: 'BadDigest' });
    expect((await refusal(s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'content-md5' })))).status).toBe(404);
  });

  for (const [name, checksum] of Object.entries({
    ChecksumCRC32: 'AAAAAA==',
    ChecksumCRC32C: 'AAAAAA==',
    ChecksumCRC64NVME: 'AAAAAAAAAAA=',
    ChecksumSHA1: Buffer.alloc(20).toString('base64'),
    ChecksumSHA256: Buffer.alloc(32).toString('base64'),
  })) {
    check(`wrong ${name}`, `a wrong ${name} is BadDigest`, async () => {
      expect(await refusal(put(`wrong-${name}`, 'body', { [name]: checksum }))).toEqual({ status: 400, code: 'BadDigest' });
    });
  }

  check('default-checksums', "the SDK's default checksums are stored and given back", async () => {
    const defaults = client({});
    await defaults.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'default-checksums', Body: 'hello' }));
    const answer = await defaults.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'default-checksums' }));
    expect(await answer.Body?.transformToString()).toBe('hello');
    expect(answer.ChecksumCRC32).toBe('NhCmhg==');
  });

  check('default-checksums-half', 'an SDK that is told to check only its own requests can read', async () => {
    const half = client({ requestChecksumCalculation: 'WHEN_SUPPORTED', responseChecksumValidation: 'WHEN_REQUIRED' });
    await half.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'default-checksums-half', Body: 'hello' }));
    const { Body } = await half.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'default-checksums-half' }));
    expect(await Body?.transformToString()).toBe('hello');
  });

  check('default-checksums-stream', 'a streamed body with its checksum in a trailer is stored without its framing', async () => {
    const body = randomBytes(300_000);
    const stream = Readable.from([body.subarray(0, 1000), body.subarray(1000, 200_000), body.subarray(200_000)]);
    await client({}).send(
      new PutObjectCommand({ Bucket: BUCKET, Key: 'default-checksums-stream', Body: stream, ContentLength: body.length }),
    );
    const { Body, ContentEncoding } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'default-checksums-stream' }));
    expect(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
    expect(ContentEncoding).toBeUndefined();
  });

  check('streamed', 'a body of 12 MB is streamed in and out unharmed', async () => {
    const body = randomBytes(12 * 1024 * 1024);
    await s3().send(
      new PutObjectCommand({ Bucket: BUCKET, Key: 'streamed', Body: Readable.from([body]), ContentLength: body.length }),
    );
    const { Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'streamed' }));
    const hash = createHash('md5');
    if (Body instanceof Readable) for await (const chunk of Body) hash.update(chunk);
    expect(hash.digest('hex')).toBe(createHash('md5').update(body).digest('hex'));
  });

  check('metadata-too-large', 'more than two kilobytes of metadata are refused', async () => {
    expect(await refusal(put('metadata-too-large', 'x', { Metadata: { big: 'x'.repeat(2100) } }))).toEqual({
      status: 400,
      code: 'MetadataTooLarge',
    });
  });

  check('key-too-long', 'a key of more than 1024 bytes is refused', async () => {
    expect(await refusal(put('k'.repeat(1025), 'x'))).toEqual({ status: 400, code: 'KeyTooLongError' });
  });
}
