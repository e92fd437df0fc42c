import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketNotificationConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Bucket, startBucket } from '../../../../local/bucket/bucket.ts';
import { formatTimestamp } from '../../../../local/bucket/signature.ts';
import { sha256Hex, signatureOf, signingKey } from '../../../../local/sigv4.ts';
import { silentLogger } from '../../../../log.ts';

const QUEUE = 'arn:aws:sqs:us-east-1:000000000000:events';
const credentials = { accessKeyId: 'access', secretAccessKey: 'secret' };
const REGION = 'us-east-1';

let dataDir: string;
let bucket: Bucket;
let s3: S3Client;
let delivered: { queueArn: string; body: string }[];
let queueIsAway: boolean;

async function start(): Promise<void> {
  const deliver = async (queueArn: string, body: string) => {
    if (queueIsAway) throw new Error('the queue is away');
    delivered.push({ queueArn, body });
  };
  bucket = await startBucket({
    dataDir,
    port: 0,
    region: REGION,
    buckets: ['videos'],
    deliver,
    log: silentLogger,
    ...credentials,
  });
  s3 = new S3Client({
    endpoint: bucket.endpoint,
    region: REGION,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

async function stop(): Promise<void> {
  s3.destroy();
  await bucket.close();
}

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-bucket-'));
  delivered = [];
  queueIsAway = false;
  await start();
});
afterEach(async () => {
  await stop();
  await rm(dataDir, { recursive: true });
});

const put = (Key: string, Body: string) => s3.send(new PutObjectCommand({ Bucket: 'videos', Key, Body }));
const read = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket: 'videos', Key }))).Body?.transformToString();
const notify = (QueueArn = QUEUE) =>
  s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'videos',
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            Id: 'jobs',
            QueueArn,
            Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
            Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'pipelines/' }] } },
          },
        ],
      },
    }),
  );

test('what is in the bucket is in the folder, and is there after a restart', async () => {
  await put('pipelines/job/exports/output.mp4', 'film');
  expect(await readFile(join(dataDir, 'videos/pipelines/job/exports/output.mp4'), 'utf8')).toBe('film');
  await stop();
  await start();
  expect(await read('pipelines/job/exports/output.mp4')).toBe('film');
});

test('a queue gets a test event, then one record for every kind of change', async () => {
  await notify();
  expect(delivered.map(({ queueArn, body }) => [queueArn, JSON.parse(body).Event])).toEqual([[QUEUE, 's3:TestEvent']]);
  await put('pipelines/ä b', 'x');
  await put('elsewhere', 'x');
  await s3.send(new CopyObjectCommand({ Bucket: 'videos', Key: 'pipelines/copy', CopySource: 'videos/elsewhere' }));
  const upload = { Bucket: 'videos', Key: 'pipelines/parts' };
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload));
  const { ETag } = await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'part' }));
  await s3.send(
    new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
  );
  await s3.send(new DeleteObjectCommand({ Bucket: 'videos', Key: 'pipelines/copy' }));
  await s3.send(
    new DeleteObjectsCommand({
      Bucket: 'videos',
      Delete: { Objects: [{ Key: 'pipelines/parts' }, { Key: 'pipelines/nothing' }] },
    }),
  );
  await bucket.idle();
  const records = delivered.slice(1).map(({ body }) => JSON.parse(body).Records[0]);
  expect(records.map(({ eventName, s3: { object } }) => `${eventName} ${object.key}`).toSorted()).toEqual([
    'ObjectCreated:CompleteMultipartUpload pipelines/parts',
    'ObjectCreated:Copy pipelines/copy',
    'ObjectCreated:Put pipelines/%C3%A4+b',
    'ObjectRemoved:Delete pipelines/copy',
    'ObjectRemoved:Delete pipelines/parts',
  ]);
});

test('a notification configuration can be read back, and a queue that takes no test event is refused', async () => {
  await notify();
  queueIsAway = true;
  await expect(notify(`${QUEUE}-2`)).rejects.toMatchObject({ name: 'InvalidArgument' });
  const { QueueConfigurations } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: 'videos' }));
  expect(QueueConfigurations).toEqual([
    {
      Id: 'jobs',
      QueueArn: QUEUE,
      Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
      Filter: { Key: { FilterRules: [{ Name: 'Prefix', Value: 'pipelines/' }] } },
    },
  ]);
});

test('events that the queue did not take are delivered after a restart', async () => {
  await notify();
  queueIsAway = true;
  await put('pipelines/a', 'x');
  await stop();
  queueIsAway = false;
  await start();
  await bucket.idle();
  expect(delivered.map(({ body }) => JSON.parse(body).Records?.[0].s3.object.key)).toEqual([undefined, 'pipelines/a']);
});

test('an object whose file was deleted by hand is gone, and can be created again', async () => {
  await put('k', 'x');
  await rm(join(dataDir, 'videos/k'));
  await expect(read('k')).rejects.toMatchObject({ name: 'NoSuchKey' });
  await s3.send(new PutObjectCommand({ Bucket: 'videos', Key: 'k', Body: 'y', IfNoneMatch: '*' }));
  expect(await read('k')).toBe('y');
});

test('a bucket can be named in the host, as presigned URLs may', async () => {
  await put('k', 'hello');
  const virtual = new S3Client({ endpoint: `http://localhost:${bucket.port}`, region: REGION, credentials });
  const url = new URL(await getSignedUrl(virtual, new GetObjectCommand({ Bucket: 'videos', Key: 'k' }), { expiresIn: 60 }));
  expect(url.host).toBe(`videos.localhost:${bucket.port}`);
  const answer = await send({ method: 'GET', path: url.pathname + url.search, headers: { host: url.host } });
  expect(answer).toEqual({ status: 200, body: 'hello' });
  virtual.destroy();
});

test('an answer to a refused upload reaches a sender that is still sending', async () => {
  const answer = await fetch(`${bucket.endpoint}/videos/k`, { method: 'PUT', body: Buffer.alloc(20 * 1024 * 1024) });
  expect(answer.status).toBe(403);
  expect(await answer.text()).toContain('<Code>AccessDenied</Code>');
});

test('a sender that goes away in the middle leaves nothing behind', async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket: 'videos', Key: 'half' }), { expiresIn: 60 });
  const { pathname, search } = new URL(url);
  await new Promise<void>((resolve) => {
    const sending = request({
      host: '127.0.0.1',
      port: bucket.port,
      method: 'PUT',
      path: pathname + search,
      headers: { 'content-length': 1000 },
    });
    sending.on('error', () => resolve());
    sending.write('half', () => sending.destroy(new Error('gone')));
  });
  await expect(s3.send(new HeadObjectCommand({ Bucket: 'videos', Key: 'half' }))).rejects.toMatchObject({ name: 'NotFound' });
  expect((await s3.send(new ListObjectsV2Command({ Bucket: 'videos' }))).KeyCount).toBe(0);
});

test('signed chunks are stored without their framing; a forged one is refused and leaves the old object', async () => {
  const chunks = ['first chunk, ', 'second chunk'];
  expect(await sendSignedChunks('signed', chunks)).toMatchObject({ status: 200 });
  expect(await read('signed')).toBe('first chunk, second chunk');
  const forged = await sendSignedChunks('signed', chunks, (body) => body.replace('second', 'forged'));
  expect(forged.status).toBe(403);
  expect(forged.body).toContain('SignatureDoesNotMatch');
  expect(await read('signed')).toBe('first chunk, second chunk');
});

test('the trailer of signed chunks is signed too, and its checksum is checked', async () => {
  const crc32 = 'x-amz-checksum-crc32';
  const right = { [crc32]: Buffer.from('352441c2', 'hex').toString('base64') };
  expect(await sendSignedChunks('trailer', ['abc'], (body) => body, right)).toMatchObject({ status: 200 });
  const wrong = await sendSignedChunks('trailer', ['abc'], (body) => body, { [crc32]: 'AAAAAA==' });
  expect({ status: wrong.status, isBadDigest: wrong.body.includes('BadDigest') }).toEqual({ status: 400, isBadDigest: true });
  const forged = await sendSignedChunks('trailer', ['abc'], (body) => body.replace(right[crc32] ?? '', 'AAAAAA=='), right);
  expect(forged.body).toContain('SignatureDoesNotMatch');
});

/** Written from the S3 API reference, because no SDK for JavaScript signs its chunks. */
async function sendSignedChunks(
  key: string,
  chunks: readonly string[],
  tamper: (body: string) => string = (body) => body,
  trailer: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: string }> {
  const timestamp = formatTimestamp(Date.now());
  const date = timestamp.slice(0, 8);
  const scope = `${date}/${REGION}/s3/aws4_request`;
  const signing = signingKey(credentials.secretAccessKey, { date, region: REGION, service: 's3' });
  const trailerNames = Object.keys(trailer);
  const headers: Record<string, string> = {
    host: `127.0.0.1:${bucket.port}`,
    'x-amz-content-sha256': `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailerNames.length > 0 ? '-TRAILER' : ''}`,
    'x-amz-date': timestamp,
    'x-amz-decoded-content-length': String(chunks.join('').length),
    ...(trailerNames.length > 0 ? { 'x-amz-trailer': trailerNames.join(',') } : {}),
  };
  const names = Object.keys(headers).sort();
  const canonical = [
    'PUT',
    `/videos/${key}`,
    '',
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ];
  const sign = (...lines: string[]) => signatureOf(signing, lines.join('\n'));
  let signature = sign('AWS4-HMAC-SHA256', timestamp, scope, sha256Hex(canonical.join('\n')));
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  let body = '';
  for (const chunk of [...chunks, '']) {
    signature = sign(
      'AWS4-HMAC-SHA256-PAYLOAD',
      timestamp,
      scope,
      signature,
      sha256Hex(''),
      createHash('sha256').update(chunk).digest('hex'),
    );
    body += `${chunk.length.toString(16)};chunk-signature=${signature}\r\n${chunk === '' ? '' : `${chunk}\r\n`}`;
  }
  if (trailerNames.length > 0) {
    const lines = Object.entries(trailer).map(([name, value]) => `${name}:${value}`);
    const trailerSignature = sign(
      'AWS4-HMAC-SHA256-TRAILER',
      timestamp,
      scope,
      signature,
      sha256Hex(lines.map((line) => `${line}\n`).join('')),
    );
    body += `${lines.join('\r\n')}\r\nx-amz-trailer-signature:${trailerSignature}\r\n`;
  }
  return send({ method: 'PUT', path: `/videos/${key}`, headers, body: tamper(`${body}\r\n`) });
}

/** `fetch` would set a Host of its own and resolve dots in paths. */
function send(options: {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
}): Promise<{ status: number; body: string }> {
  const { method, path, headers, body } = options;
  return new Promise((resolve, reject) => {
    const sending = request({ host: '127.0.0.1', port: bucket.port, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sending.on('error', reject);
    sending.end(body);
  });
}
