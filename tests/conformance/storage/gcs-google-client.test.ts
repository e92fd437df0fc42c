/** The local Google API, used by Google's own client as it is, beside the S3 API of the same bucket. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Storage } from '@google-cloud/storage';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type GcsServer, S3_KEYS, startGcsServer, strangeCredentials } from './gcs-server.ts';

/** The library opens sessions without credentials where the endpoint is not Google's own. */
const SIMPLE = { resumable: false } as const;

describe('the local Google API with Google’s own client', () => {
  let server: GcsServer;
  let s3: S3Client;
  let nowMs = Date.now();
  const clientOf = (credentials: GcsServer['credentials']) => {
    const client = new Storage({ apiEndpoint: server.endpoint, credentials, useAuthWithCustomEndpoint: true });
    client.authClient.useJWTAccessWithScope = true;
    return client;
  };
  let storage: Storage;
  const bucket = () => storage.bucket('videos');

  beforeAll(async () => {
    server = await startGcsServer({ now: () => nowMs });
    storage = clientOf(server.credentials);
    s3 = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: S3_KEYS });
  });
  afterEach(() => {
    nowMs = Date.now();
  });
  afterAll(async () => {
    s3?.destroy();
    await server?.stop();
  });

  test('saves and downloads, in one request and in a session, with the checksums that it compares', async () => {
    const body = Buffer.alloc(3 * 1024 ** 2 + 7, 'google');
    const described = { contentType: 'video/x-test', metadata: { fingerprint: 'f1' } };
    const file = bucket().file('client/x +ü');
    const ways = [
      () => file.save(body, { ...SIMPLE, metadata: described }),
      async () => file.save(body, { uri: (await file.createResumableUpload({ metadata: described }))[0], chunkSize: 256 * 1024 }),
      async () => file.save(body, { uri: (await file.createResumableUpload({ metadata: described }))[0] }),
    ];
    for (const way of ways) {
      await way();
      const [found] = await file.getMetadata();
      expect(found).toMatchObject({ size: String(body.length), ...described });
      const [read] = await file.download({ validation: 'crc32c' });
      expect(read.equals(body)).toBe(true);
      const [part] = await file.download({ start: 1, end: 3 });
      expect(String(part)).toBe('oog');
      await file.delete();
    }
  });

  test('a stream arrives, and one that breaks leaves nothing', async () => {
    const source = Readable.from([Buffer.alloc(700_000, 'a'), Buffer.alloc(7, 'b')]);
    await pipeline(source, bucket().file('client/stream').createWriteStream(SIMPLE));
    expect((await bucket().file('client/stream').getMetadata())[0].size).toBe('700007');
    const broken = Readable.from(
      (function* () {
        yield Buffer.alloc(700_000);
        throw new Error('broken');
      })(),
    );
    await expect(pipeline(broken, bucket().file('client/broken').createWriteStream(SIMPLE))).rejects.toThrow('broken');
    expect(await bucket().file('client/broken').exists()).toEqual([false]);
  });

  test('preconditions hold: a generation that is not there any more is 412', async () => {
    const file = bucket().file('client/conditional');
    await file.save('one', { ...SIMPLE, preconditionOpts: { ifGenerationMatch: 0 } });
    await expect(file.save('two', { ...SIMPLE, preconditionOpts: { ifGenerationMatch: 0 } })).rejects.toMatchObject({
      code: 412,
    });
    const [{ generation: first = 0 }] = await file.getMetadata();
    await file.save('two', { ...SIMPLE, preconditionOpts: { ifGenerationMatch: first } });
    const [{ generation: second = 0 }] = await file.getMetadata();
    expect(BigInt(second)).toBeGreaterThan(BigInt(first));
    await expect(file.delete({ ifGenerationMatch: first })).rejects.toMatchObject({ code: 412 });
    await file.delete({ ifGenerationMatch: second });
    await expect(file.getMetadata()).rejects.toMatchObject({ code: 404 });
    await expect(file.delete()).rejects.toMatchObject({ code: 404 });
    await file.delete({ ignoreNotFound: true });
  });

  test('a generation grows with every write of a key, also where it was deleted and where the clock stands still', async () => {
    const generations: bigint[] = [];
    nowMs += 1;
    for (let write = 0; write < 4; write++) {
      const file = bucket().file('client/generations');
      await file.save('same', SIMPLE);
      generations.push(BigInt((await file.getMetadata())[0].generation ?? 0));
      if (write === 1) await file.delete();
    }
    expect(generations).toEqual(generations.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(new Set(generations).size).toBe(4);
  });

  test('pages, prefixes and start offsets are those of Google', async () => {
    for (const key of ['list/a', 'list/b/1', 'list/b/2', 'list/c', 'list/d']) await bucket().file(key).save(key, SIMPLE);
    const names = async (query: object) => (await bucket().getFiles({ prefix: 'list/', ...query }))[0].map(({ name }) => name);
    expect(await names({ maxResults: 2 })).toHaveLength(2);
    expect(await names({})).toEqual(['list/a', 'list/b/1', 'list/b/2', 'list/c', 'list/d']);
    expect(await names({ startOffset: 'list/b/2' })).toEqual(['list/b/2', 'list/c', 'list/d']);
    expect(await names({ startOffset: 'list/b/2', maxResults: 2, autoPaginate: false })).toEqual(['list/b/2', 'list/c']);
    expect(await names({ delimiter: '/' })).toEqual(['list/a', 'list/c', 'list/d']);
  });

  test('what one API writes the other reads, bytes, type and metadata', async () => {
    await bucket()
      .file('both/google')
      .save('from google', { ...SIMPLE, contentType: 'text/g', metadata: { metadata: { fingerprint: 'f2' } } });
    const read = await s3.send(new GetObjectCommand({ Bucket: 'videos', Key: 'both/google' }));
    expect(await read.Body?.transformToString()).toBe('from google');
    expect(read).toMatchObject({ ContentType: 'text/g', Metadata: { fingerprint: 'f2' } });
    const put = { Bucket: 'videos', Key: 'both/s3', Body: 'from s3', ContentType: 'text/s', Metadata: { fingerprint: 'f3' } };
    await s3.send(new PutObjectCommand(put));
    const file = bucket().file('both/s3');
    // Without a CRC32C, which the library compares by default: a difference that google-api.ts lists.
    expect(String((await file.download({ validation: false }))[0])).toBe('from s3');
    expect((await file.getMetadata())[0]).toMatchObject({ contentType: 'text/s', metadata: { fingerprint: 'f3' } });
    await file.delete();
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'videos', Key: 'both/s3' }))).rejects.toMatchObject({
      name: 'NotFound',
    });
  });

  test('signed URLs read and write until they run out, for what they were signed for alone', async () => {
    const file = bucket().file('signed/a b');
    const accessibleAt = Date.now();
    const config = { version: 'v4', accessibleAt, expires: accessibleAt + 60_000 } as const;
    const extensionHeaders = { 'x-goog-meta-fingerprint': 'f4' };
    const [put] = await file.getSignedUrl({ ...config, action: 'write', extensionHeaders });
    const [get] = await file.getSignedUrl({ ...config, action: 'read' });
    const send = async (url: string, init: RequestInit = {}) => {
      const response = await fetch(url, init);
      const body = await response.text();
      return [response.status, /<Code>(\w+)/.exec(body)?.[1] ?? body];
    };
    expect(await send(put, { method: 'PUT', body: 'signed', headers: extensionHeaders })).toEqual([200, '']);
    expect(await send(get)).toEqual([200, 'signed']);
    expect(await send(get, { headers: { range: 'bytes=1-2' } })).toEqual([206, 'ig']);
    expect(await send(put, { method: 'PUT', body: 'x' })).toEqual([400, 'MalformedSecurityHeader']);
    expect(await send(put, { method: 'PUT', body: 'x', headers: { 'x-goog-meta-fingerprint': 'f5' } })).toEqual([
      403,
      'SignatureDoesNotMatch',
    ]);
    expect(await send(get, { headers: { 'x-goog-if-generation-match': '1' } })).toEqual([400, 'MalformedSecurityHeader']);
    expect(await send(get.replace('a%20b', 'another'))).toEqual([403, 'SignatureDoesNotMatch']);
    expect(await send(get, { method: 'DELETE' })).toEqual([403, 'SignatureDoesNotMatch']);
    expect(await send(`${get}&more=1`)).toEqual([403, 'SignatureDoesNotMatch']);
    const [forged] = await clientOf(strangeCredentials(server))
      .bucket('videos')
      .file('signed/a b')
      .getSignedUrl({ ...config, action: 'read' });
    expect(await send(forged)).toEqual([403, 'SignatureDoesNotMatch']);
    nowMs += 61_000;
    expect(await send(get)).toEqual([400, 'ExpiredToken']);
    expect(await send(put, { method: 'PUT', body: 'late', headers: extensionHeaders })).toEqual([400, 'ExpiredToken']);
    nowMs = Date.now();
    expect(String((await file.download())[0])).toBe('signed');
  });

  test('without the account’s key nothing is read or written', async () => {
    const file = clientOf(strangeCredentials(server)).bucket('videos').file('client/x');
    await expect(file.save('stolen', { resumable: false })).rejects.toMatchObject({ code: 401 });
    await expect(file.getMetadata()).rejects.toMatchObject({ code: 401 });
    const bare = await fetch(`${server.endpoint}/storage/v1/b/videos/o`);
    expect(bare.status).toBe(403);
    await bare.body?.cancel();
  });
});

test('writes through Google’s API notify the same queue as writes through S3', async () => {
  const messages: { Records?: { eventName: string; s3: { object: { key: string; size?: number } } }[] }[] = [];
  const server = await startGcsServer({ deliver: async (_queue, body) => void messages.push(JSON.parse(body)) });
  const s3 = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: S3_KEYS });
  const { PutBucketNotificationConfigurationCommand } = await import('@aws-sdk/client-s3');
  const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:q';
  const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectCreated:*' as const, 's3:ObjectRemoved:*' as const] }];
  await s3.send(
    new PutBucketNotificationConfigurationCommand({ Bucket: 'videos', NotificationConfiguration: { QueueConfigurations } }),
  );
  const store = server.open();
  await store.put('pipelines/j/x', 'abc');
  const { url, headers } = await store.presignPut('pipelines/j/y', { expiresInSeconds: 60 });
  await (await fetch(url, { method: 'PUT', body: 'four', headers })).text();
  await store.delete('pipelines/j/x');
  await server.idle();
  const seen = messages.flatMap(({ Records = [] }) =>
    Records.map(({ eventName, s3: { object } }) => [eventName, object.key, object.size]),
  );
  store.close();
  s3.destroy();
  await server.stop();
  expect(seen).toEqual([
    ['ObjectCreated:Put', 'pipelines/j/x', 3],
    ['ObjectCreated:Put', 'pipelines/j/y', 4],
    ['ObjectRemoved:Delete', 'pipelines/j/x', undefined],
  ]);
});
