import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { type BucketChild, type Queue, startChild, startQueue } from './bucket-child.ts';

const ROUNDS = 6;
const WRITERS = 4;
const FEWEST_ACKNOWLEDGED = 15;
/** Every writer overwrites its own few keys, so that kills fall on renames over an older version too. */
const KEYS_PER_WRITER = 3;
const LONGEST_BODY_BYTES = 400_000;

const Message = z.object({
  Records: z.array(
    z.object({ eventName: z.string(), s3: z.object({ object: z.object({ key: z.string(), eTag: z.string().optional() }) }) }),
  ),
});

let dataDir: string;
let queue: Queue;
let child: BucketChild | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-killed-'));
  queue = await startQueue();
});
afterEach(async () => {
  await child?.kill();
  await queue.close();
  await rm(dataDir, { recursive: true });
});

interface Ledger {
  /** What the bucket said was the content: an ETag, or null after a removal. */
  readonly acknowledged: Map<string, string | null>;
  /** What it was asked to make of a key when it died: either that or the acknowledged state may be there. */
  readonly attempted: Map<string, string | null>;
  /** Every ETag that was acknowledged, by key. */
  readonly events: Set<string>;
  /** Called in the very tick of each acknowledgement. */
  onAcknowledged: () => void;
}

async function write(s3: S3Client, writer: number, ledger: Ledger): Promise<never> {
  const { acknowledged, attempted, events } = ledger;
  for (let turn = 0; ; turn += 1) {
    const Key = `pipelines/job-${writer}/object-${turn % KEYS_PER_WRITER}`;
    const isRemoval = turn % 7 === 6;
    const body = randomBytes(1 + Math.floor(Math.random() * LONGEST_BODY_BYTES));
    const etag = isRemoval ? null : createHash('md5').update(body).digest('hex');
    attempted.set(Key, etag);
    if (isRemoval) await s3.send(new DeleteObjectCommand({ Bucket: 'videos', Key }));
    else await s3.send(new PutObjectCommand({ Bucket: 'videos', Key, Body: body }));
    acknowledged.set(Key, etag);
    if (etag !== null) events.add(`${Key} ${etag}`);
    ledger.onAcknowledged();
  }
}

async function storedEtag(s3: S3Client, key: string): Promise<string | null> {
  try {
    const { Body, ETag } = await s3.send(new GetObjectCommand({ Bucket: 'videos', Key: key }));
    const actual = createHash('md5')
      .update((await Body?.transformToByteArray()) ?? new Uint8Array())
      .digest('hex');
    // The row and the file are of one version.
    expect(ETag).toBe(`"${actual}"`);
    return actual;
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return null;
    throw error;
  }
}

test('what was acknowledged survives SIGKILL at any instant, whole, and its event is delivered', async () => {
  const ledger: Ledger = { acknowledged: new Map(), attempted: new Map(), events: new Set(), onAcknowledged: () => undefined };
  child = await startChild(dataDir, queue.url);
  await child.s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: 'videos',
      NotificationConfiguration: {
        QueueConfigurations: [{ QueueArn: 'arn:aws:sqs:us-east-1:000000000000:events', Events: ['s3:ObjectCreated:*'] }],
      },
    }),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    const doomed = child;
    // In every second round nothing is delivered, so that all of its events have to be found on disk.
    queue.hold(round % 2 === 1);
    // Killed in the tick of an acknowledgement: whatever the bucket had put off until then is lost.
    let remaining = FEWEST_ACKNOWLEDGED + round * 7;
    const killed = new Promise<void>((resolve, reject) => {
      ledger.onAcknowledged = () => {
        remaining -= 1;
        if (remaining === 0) doomed.kill().then(resolve, reject);
      };
    });
    const ended = Promise.allSettled(Array.from({ length: WRITERS }, (_, writer) => write(doomed.s3, writer, ledger)));
    await killed;
    await ended;
    queue.hold(false);

    child = await startChild(dataDir, queue.url);
    for (const [key, acknowledged] of ledger.acknowledged) {
      const stored = await storedEtag(child.s3, key);
      expect([acknowledged, ledger.attempted.get(key)]).toContain(stored);
      ledger.acknowledged.set(key, stored);
    }
    const { Contents = [] } = await child.s3.send(new ListObjectsV2Command({ Bucket: 'videos' }));
    for (const { Key = '', ETag } of Contents) expect(ETag).toBe(`"${await storedEtag(child.s3, Key)}"`);
    expect(await readdir(join(dataDir, '.millrace/incoming'))).toEqual([]);
  }
  await child.idle();
  const delivered = new Set(
    queue.received
      .flatMap((body) => Message.safeParse(JSON.parse(body)).data?.Records ?? [])
      .map(({ s3 }) => `${s3.object.key} ${s3.object.eTag}`),
  );
  expect([...ledger.events].filter((event) => !delivered.has(event))).toEqual([]);
  expect(ledger.events.size).toBeGreaterThan(ROUNDS * 12);
});
