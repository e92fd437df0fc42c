import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BucketChild, startChild } from './bucket-child.ts';

const BODY_BYTES = 200 * 1024 ** 2;
const CHUNK_BYTES = 256 * 1024;
/** Half of the body: buffers that wait for the garbage collector take some 60 MB whatever the body's size; holding the body takes all. */
const ALLOWED_GROWTH_BYTES = 100 * 1024 ** 2;

let dataDir: string;
let child: BucketChild;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-large-'));
  child = await startChild(dataDir, 'http://127.0.0.1:9/');
});
afterEach(async () => {
  await child.kill();
  await rm(dataDir, { recursive: true });
});

function* chunks(): Generator<Buffer> {
  for (let sent = 0; sent < BODY_BYTES; sent += CHUNK_BYTES) yield Buffer.alloc(CHUNK_BYTES, sent / CHUNK_BYTES);
}

async function mostMemoryDuring<T>(work: Promise<T>): Promise<{ result: T; residentBytes: number }> {
  let running = true;
  let residentBytes = 0;
  const watch = (async () => {
    while (running) residentBytes = Math.max(residentBytes, await child.residentBytes());
  })();
  try {
    return { result: await work, residentBytes };
  } finally {
    running = false;
    await watch;
  }
}

test.each([
  ['plain', 'WHEN_REQUIRED'],
  ['aws-chunked, with a checksum in its trailer', 'WHEN_SUPPORTED'],
] as const)('a body of 200 MB, %s, is streamed both ways without being held', async (_, requestChecksumCalculation) => {
  const s3 = child.client({ requestChecksumCalculation });
  // A first request, so that what is measured is not the loading of code.
  await s3.send(new PutObjectCommand({ Bucket: 'videos', Key: 'warm-up', Body: 'x' }));
  const before = await child.residentBytes();

  const put = s3.send(
    new PutObjectCommand({ Bucket: 'videos', Key: 'large', Body: Readable.from(chunks()), ContentLength: BODY_BYTES }),
  );
  const uploading = await mostMemoryDuring(put);
  const hash = createHash('md5');
  const download = async () => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'videos', Key: 'large' }));
    if (Body instanceof Readable) for await (const chunk of Body) hash.update(chunk);
  };
  const downloading = await mostMemoryDuring(download());

  expect(uploading.result.ETag).toBe(`"${hash.digest('hex')}"`);
  expect(uploading.residentBytes - before).toBeLessThan(ALLOWED_GROWTH_BYTES);
  expect(downloading.residentBytes - before).toBeLessThan(ALLOWED_GROWTH_BYTES);
});
