import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect } from 'vitest';
import { answerOf, refusal } from './answers.ts';
import { BUCKET, type Suite } from './peer.ts';

export function presignedChecks({ s3, client, peer, check }: Suite): void {
  const put = (Key: string, Body: string) => s3().send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  const signedPut = (Key: string, more = {}, options = {}) =>
    getSignedUrl(s3(), new PutObjectCommand({ Bucket: BUCKET, Key, ...more }), { expiresIn: 60, ...options });
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3600_000);

  check('presigned-get', 'a presigned GET reads without credentials, ranges included', async () => {
    await put('presigned-get/ü +%', 'hello');
    const url = await getSignedUrl(s3(), new GetObjectCommand({ Bucket: BUCKET, Key: 'presigned-get/ü +%' }), { expiresIn: 60 });
    expect(await (await fetch(url)).text()).toBe('hello');
    const part = await fetch(url, { headers: { range: 'bytes=1-2' } });
    expect({ status: part.status, text: await part.text() }).toEqual({ status: 206, text: 'el' });
  });

  check('presigned-put', 'a presigned PUT writes without credentials', async () => {
    const answer = await fetch(await signedPut('presigned-put'), { method: 'PUT', body: 'hello' });
    expect({ status: answer.status, etag: answer.headers.get('etag') }).toEqual({
      status: 200,
      etag: '"5d41402abc4b2a76b9719d911017c592"',
    });
  });

  check('presigned-expired', 'a presigned URL that has expired is refused', async () => {
    await put('presigned-expired', 'x');
    const url = await getSignedUrl(s3(), new GetObjectCommand({ Bucket: BUCKET, Key: 'presigned-expired' }), {
      expiresIn: 60,
      signingDate: hoursAgo(1),
    });
    expect(await answerOf(await fetch(url))).toEqual({ status: 403, code: 'AccessDenied' });
  });

  check('presigned-put-expired', 'a presigned PUT that has expired stores nothing', async () => {
    const url = await signedPut('presigned-put-expired', {}, { signingDate: hoursAgo(1) });
    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403);
    const head = s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'presigned-put-expired' }));
    expect((await refusal(head)).status).toBe(404);
  });

  check('presigned-tampered', 'a presigned URL with another signature, key or method is refused', async () => {
    await put('presigned-tampered', 'x');
    await put('presigned-tampered/other', 'secret');
    const url = await getSignedUrl(s3(), new GetObjectCommand({ Bucket: BUCKET, Key: 'presigned-tampered' }), { expiresIn: 60 });
    const signature = /X-Amz-Signature=([0-9a-f]{64})/.exec(url)?.[1] ?? '';
    const flipped = signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    const refused = { status: 403, code: 'SignatureDoesNotMatch' };
    expect(await answerOf(await fetch(url.replace(signature, flipped)))).toEqual(refused);
    expect(await answerOf(await fetch(url.replace('presigned-tampered', 'presigned-tampered/other')))).toEqual(refused);
    expect(await answerOf(await fetch(url, { method: 'PUT', body: 'y' }))).toEqual(refused);
    expect(await answerOf(await fetch(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000')))).toEqual(refused);
  });

  check('presigned-metadata', 'a presigned PUT that signs a metadata header demands it and stores it', async () => {
    const url = await signedPut(
      'presigned-metadata',
      { Metadata: { fingerprint: 'f00' } },
      { unhoistableHeaders: new Set(['x-amz-meta-fingerprint']) },
    );
    expect((await fetch(url, { method: 'PUT', body: 'x' })).status).toBe(403);
    expect((await fetch(url, { method: 'PUT', body: 'x', headers: { 'x-amz-meta-fingerprint': 'bar' } })).status).toBe(403);
    const answer = await fetch(url, { method: 'PUT', body: 'x', headers: { 'x-amz-meta-fingerprint': 'f00' } });
    expect(answer.status).toBe(200);
    const { Metadata } = await s3().send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'presigned-metadata' }));
    expect(Metadata).toEqual({ fingerprint: 'f00' });
  });

  check('presigned-unsigned-header', 'a presigned PUT takes no metadata that nobody signed', async () => {
    const answer = await fetch(await signedPut('presigned-unsigned-header'), {
      method: 'PUT',
      body: 'x',
      headers: { 'x-amz-meta-forged': '1' },
    });
    expect(await answerOf(answer)).toEqual({ status: 403, code: 'AccessDenied' });
  });

  check('presigned-default-checksum', 'a presigned PUT that carries the checksum of no body takes no other body', async () => {
    const url = await getSignedUrl(client({}), new PutObjectCommand({ Bucket: BUCKET, Key: 'presigned-default-checksum' }), {
      expiresIn: 60,
    });
    expect(url).toContain('x-amz-checksum-crc32=AAAAAA');
    expect(await answerOf(await fetch(url, { method: 'PUT', body: 'x' }))).toEqual({ status: 400, code: 'BadDigest' });
  });

  check('unsigned', 'a request without a signature is refused', async () => {
    await put('unsigned', 'x');
    expect(await answerOf(await fetch(`${peer().endpoint}/${BUCKET}/unsigned`))).toEqual({ status: 403, code: 'AccessDenied' });
  });

  check('wrong-secret', 'a wrong secret key is SignatureDoesNotMatch', async () => {
    const { accessKeyId } = peer().credentials;
    const call = client({ credentials: { accessKeyId, secretAccessKey: 'wrong' } }).send(
      new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }),
    );
    expect(await refusal(call)).toEqual({ status: 403, code: 'SignatureDoesNotMatch' });
  });

  check('wrong-access-key', 'an unknown access key is InvalidAccessKeyId', async () => {
    const { secretAccessKey } = peer().credentials;
    const call = client({ credentials: { accessKeyId: 'NOBODY', secretAccessKey } }).send(
      new GetObjectCommand({ Bucket: BUCKET, Key: 'k' }),
    );
    expect(await refusal(call)).toEqual({ status: 403, code: 'InvalidAccessKeyId' });
  });

  check('clock-skew', 'a request signed half an hour ago is RequestTimeTooSkewed', async () => {
    const late = client({ systemClockOffset: -30 * 60_000 });
    expect(await refusal(late.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'k' })))).toEqual({
      status: 403,
      code: 'RequestTimeTooSkewed',
    });
  });

  check('payload-hash', 'a body that is not the signed one is XAmzContentSHA256Mismatch', async () => {
    const forging = client({ requestChecksumCalculation: 'WHEN_REQUIRED' });
    forgeBody(forging);
    const call = forging.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'payload-hash', Body: 'honest' }));
    expect(await refusal(call)).toEqual({ status: 400, code: 'XAmzContentSHA256Mismatch' });
  });
}

/** Replaces the body, by one of the same length, after the request was signed. */
function forgeBody(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { request } = args;
      if (typeof request === 'object' && request !== null && 'body' in request) request.body = 'forged';
      return next(args);
    },
    { step: 'finalizeRequest', priority: 'low' },
  );
}
