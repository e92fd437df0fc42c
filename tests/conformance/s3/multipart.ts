import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { expect } from 'vitest';
import { refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

const PART_BYTES = 5 * 1024 * 1024;

export function multipartChecks({ s3, client, check }: Suite): void {
  const create = async (Key: string, more = {}) => {
    const { UploadId } = await s3().send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key, ...more }));
    return UploadId ?? '';
  };
  const uploadPart = async (Key: string, UploadId: string, PartNumber: number, Body: Buffer) => {
    const { ETag } = await s3().send(new UploadPartCommand({ Bucket: BUCKET, Key, UploadId, PartNumber, Body }));
    return { PartNumber, ETag };
  };
  const complete = (Key: string, UploadId: string, Parts: { PartNumber: number; ETag: string | undefined }[], more = {}) =>
    s3().send(new CompleteMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId, MultipartUpload: { Parts }, ...more }));
  const md5 = (...bodies: Buffer[]) => {
    const hash = createHash('md5');
    for (const body of bodies) hash.update(body);
    return hash.digest();
  };

  check('multipart', 'parts become one object, whose ETag is made of theirs', async () => {
    const bodies = [randomBytes(PART_BYTES), randomBytes(PART_BYTES), randomBytes(1000)];
    const id = await create('multipart', { ContentType: 'video/mp4', Metadata: { a: '1' } });
    const parts = [];
    // Out of order: only the numbers count.
    for (const index of [1, 0, 2]) parts.push(await uploadPart('multipart', id, index + 1, bodies[index] ?? Buffer.alloc(0)));
    const { ETag } = await complete(
      'multipart',
      id,
      parts.toSorted((a, b) => a.PartNumber - b.PartNumber),
    );
    expect(ETag).toBe(`"${md5(...bodies.map((body) => md5(body))).toString('hex')}-3"`);
    const { Body, ContentType, Metadata } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'multipart' }));
    expect(md5(Buffer.from((await Body?.transformToByteArray()) ?? [])).equals(md5(...bodies))).toBe(true);
    expect({ ContentType, Metadata }).toEqual({ ContentType: 'video/mp4', Metadata: { a: '1' } });
  });

  check('multipart-invisible', 'nothing of an upload is seen before it is completed', async () => {
    const id = await create('multipart-invisible');
    await uploadPart('multipart-invisible', id, 1, Buffer.from('x'));
    expect((await refusal(s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'multipart-invisible' })))).status).toBe(404);
  });

  check('multipart-replace', 'a part can be uploaded again', async () => {
    const id = await create('multipart-replace');
    await uploadPart('multipart-replace', id, 1, Buffer.from('old'));
    const part = await uploadPart('multipart-replace', id, 1, Buffer.from('new'));
    await complete('multipart-replace', id, [part]);
    const { Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'multipart-replace' }));
    expect(await Body?.transformToString()).toBe('new');
  });

  check('multipart-abort', 'an aborted upload is gone', async () => {
    const id = await create('multipart-abort');
    const part = await uploadPart('multipart-abort', id, 1, Buffer.from('x'));
    await s3().send(new AbortMultipartUploadCommand({ Bucket: BUCKET, Key: 'multipart-abort', UploadId: id }));
    expect(await refusal(complete('multipart-abort', id, [part]))).toEqual({ status: 404, code: 'NoSuchUpload' });
  });

  check('multipart-list', 'uploads and their parts can be listed', async () => {
    const id = await create('multipart-list/ü');
    await uploadPart('multipart-list/ü', id, 2, Buffer.from('second'));
    await uploadPart('multipart-list/ü', id, 1, Buffer.from('first'));
    const { Parts } = await s3().send(new ListPartsCommand({ Bucket: BUCKET, Key: 'multipart-list/ü', UploadId: id }));
    expect(Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
      [1, 5],
      [2, 6],
    ]);
    const { Uploads } = await s3().send(new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: 'multipart-list/' }));
    expect(Uploads?.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([['multipart-list/ü', id]]);
  });

  check('multipart-wrong-etag', 'a part with another ETag is InvalidPart', async () => {
    const id = await create('multipart-wrong-etag');
    await uploadPart('multipart-wrong-etag', id, 1, Buffer.from('x'));
    const wrong = [{ PartNumber: 1, ETag: '"00000000000000000000000000000000"' }];
    expect(await refusal(complete('multipart-wrong-etag', id, wrong))).toEqual({ status: 400, code: 'InvalidPart' });
  });

  check('multipart-order', 'parts out of order are InvalidPartOrder', async () => {
    const id = await create('multipart-order');
    // The small one is the last in the list, so that the order is all that is wrong.
    const first = await uploadPart('multipart-order', id, 1, Buffer.from('x'));
    const second = await uploadPart('multipart-order', id, 2, randomBytes(PART_BYTES));
    expect(await refusal(complete('multipart-order', id, [second, first]))).toEqual({ status: 400, code: 'InvalidPartOrder' });
  });

  check('multipart-small', 'a part of less than 5 MiB that is not the last is EntityTooSmall', async () => {
    const id = await create('multipart-small');
    const parts = [
      await uploadPart('multipart-small', id, 1, Buffer.from('x')),
      await uploadPart('multipart-small', id, 2, Buffer.from('y')),
    ];
    expect(await refusal(complete('multipart-small', id, parts))).toEqual({ status: 400, code: 'EntityTooSmall' });
  });

  check('multipart-create-only', 'completing with If-None-Match: * does not overwrite', async () => {
    await s3().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'multipart-create-only', Body: 'first' }));
    const id = await create('multipart-create-only');
    const part = await uploadPart('multipart-create-only', id, 1, Buffer.from('second'));
    const call = complete('multipart-create-only', id, [part], { IfNoneMatch: '*' });
    expect(await refusal(call)).toEqual({ status: 412, code: 'PreconditionFailed' });
  });

  check('multipart-copy', 'a part can be a range of another object', async () => {
    await s3().send(new PutObjectCommand({ Bucket: BUCKET, Key: 'multipart-copy/source', Body: 'abcdefghij' }));
    const id = await create('multipart-copy/target');
    const { CopyPartResult } = await s3().send(
      new UploadPartCopyCommand({
        Bucket: BUCKET,
        Key: 'multipart-copy/target',
        UploadId: id,
        PartNumber: 1,
        CopySource: `${BUCKET}/multipart-copy/source`,
        CopySourceRange: 'bytes=2-4',
      }),
    );
    await complete('multipart-copy/target', id, [{ PartNumber: 1, ETag: CopyPartResult?.ETag }]);
    const { Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'multipart-copy/target' }));
    expect(await Body?.transformToString()).toBe('cde');
  });

  check('multipart-managed', "the SDK's managed upload works with its default checksums", async () => {
    const body = randomBytes(PART_BYTES + 12_345);
    const upload = new Upload({
      client: client({}),
      params: { Bucket: BUCKET, Key: 'multipart-managed', Body: Readable.from([body]) },
    });
    await upload.done();
    const { Body } = await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key: 'multipart-managed' }));
    expect(md5(Buffer.from((await Body?.transformToByteArray()) ?? [])).equals(md5(body))).toBe(true);
  });

  check('multipart-composite-checksum', 'an upload in parts has a checksum made of theirs', async () => {
    const id = await create('multipart-composite-checksum', { ChecksumAlgorithm: 'SHA256' });
    const body = Buffer.from('only part');
    const { ETag, ChecksumSHA256 } = await s3().send(
      new UploadPartCommand({
        Bucket: BUCKET,
        Key: 'multipart-composite-checksum',
        UploadId: id,
        PartNumber: 1,
        Body: body,
        ChecksumAlgorithm: 'SHA256',
      }),
    );
    const digest = createHash('sha256').update(body).digest();
    expect(ChecksumSHA256).toBe(digest.toString('base64'));
    const done = await s3().send(
      new CompleteMultipartUploadCommand({
        Bucket: BUCKET,
        Key: 'multipart-composite-checksum',
        UploadId: id,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag, ChecksumSHA256 }] },
      }),
    );
    expect(done.ChecksumSHA256).toBe(`${createHash('sha256').update(digest).digest('base64')}-1`);
  });
}
