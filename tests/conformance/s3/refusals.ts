import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

/** Buckets, and what a server that does not know a subresource must not do. */
export function refusalChecks({ s3, check }: Suite): void {
  const put = (Key: string, Body: string, more = {}) => s3().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));
  const read = async (Key: string) => (await s3().send(new GetObjectCommand({ Bucket: BUCKET, Key }))).Body?.transformToString();
  const settled = (call: Promise<unknown>) => call.catch(() => undefined);

  check('tagging-keeps-body', 'setting tags or an ACL, known to the server or not, leaves the body alone', async () => {
    await put('tagging-keeps-body', 'body');
    await settled(
      s3().send(
        new PutObjectTaggingCommand({
          Bucket: BUCKET,
          Key: 'tagging-keeps-body',
          Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] },
        }),
      ),
    );
    await settled(s3().send(new PutObjectAclCommand({ Bucket: BUCKET, Key: 'tagging-keeps-body', ACL: 'private' })));
    expect(await read('tagging-keeps-body')).toBe('body');
  });

  check('tagging-is-no-get', 'asking for tags is not answered with the body', async () => {
    await put('tagging-is-no-get', '<Tagging><TagSet><Tag><Key>forged</Key><Value>1</Value></Tag></TagSet></Tagging>');
    const answer = await s3()
      .send(new GetObjectTaggingCommand({ Bucket: BUCKET, Key: 'tagging-is-no-get' }))
      .catch(() => undefined);
    expect(answer?.TagSet ?? []).toEqual([]);
  });

  check('not-implemented', 'what is not there is said to be not there: 501', async () => {
    const tagging = s3().send(new GetObjectTaggingCommand({ Bucket: BUCKET, Key: 'x' }));
    expect(await refusal(tagging)).toEqual({ status: 501, code: 'NotImplemented' });
    const encrypted = put('not-implemented', 'x', {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: Buffer.alloc(32).toString('base64'),
    });
    expect(await refusal(encrypted)).toEqual({ status: 501, code: 'NotImplemented' });
    expect(await refusal(put('not-implemented', 'x', { Tagging: 'a=b' }))).toEqual({ status: 501, code: 'NotImplemented' });
    expect(await refusal(put('not-implemented', 'x', { ACL: 'public-read' }))).toEqual({ status: 501, code: 'NotImplemented' });
  });

  check('buckets', 'buckets can be made, found, listed and deleted while they are empty', async () => {
    await s3().send(new CreateBucketCommand({ Bucket: 'second-bucket' }));
    const { Buckets } = await s3().send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toEqual([BUCKET, 'second-bucket']);
    await s3().send(new PutObjectCommand({ Bucket: 'second-bucket', Key: 'k', Body: 'x' }));
    const full = s3().send(new DeleteBucketCommand({ Bucket: 'second-bucket' }));
    expect(await refusal(full)).toEqual({ status: 409, code: 'BucketNotEmpty' });
    await s3().send(new DeleteObjectCommand({ Bucket: 'second-bucket', Key: 'k' }));
    await s3().send(new DeleteBucketCommand({ Bucket: 'second-bucket' }));
    expect((await refusal(s3().send(new HeadBucketCommand({ Bucket: 'second-bucket' })))).status).toBe(404);
  });

  check('bucket-location', 'a bucket in the first region has no location constraint', async () => {
    const { LocationConstraint } = await s3().send(new GetBucketLocationCommand({ Bucket: BUCKET }));
    expect(LocationConstraint).toBeUndefined();
  });

  check('bad-bucket-name', 'a bucket cannot be called anything', async () => {
    const call = s3().send(new CreateBucketCommand({ Bucket: 'No_Such-Name' }));
    expect(await refusal(call)).toEqual({ status: 400, code: 'InvalidBucketName' });
  });
}
