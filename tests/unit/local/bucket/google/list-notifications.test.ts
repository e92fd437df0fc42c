import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { type Bucket, startBucket } from '../../../../../local/bucket/bucket.ts';
import { silentLogger } from '../../../../../log.ts';
import { createGcsClient } from '../../../../../storage/gcs-client.ts';

const KEYS = { accessKeyId: 'key', secretAccessKey: 'secret' };

async function listed({ endpoint }: Bucket, keyFile: string, bucket = 'videos'): Promise<unknown> {
  const client = createGcsClient({ apiEndpoint: endpoint, keyFile, maxAttempts: 1 });
  try {
    const { body } = await client.once({ method: 'GET', target: `/storage/v1/b/${bucket}/notificationConfigs` });
    return JSON.parse(await text(body));
  } finally {
    client.close();
  }
}

test("Google's API shows the notifications that the S3 API has configured", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-notifications-'));
  const serviceAccountFile = join(dataDir, 'account.json');
  const bucket = await startBucket({
    ...{ dataDir: join(dataDir, 'bucket'), port: 0, region: 'us-east-1', ...KEYS, buckets: ['videos'], serviceAccountFile },
    topicOf: (arn) => `projects/local/topics/${arn.split(':').at(-1)}`,
    deliver: async () => {},
    log: silentLogger,
  });
  const s3 = new S3Client({ endpoint: bucket.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: KEYS });
  try {
    expect(await listed(bucket, serviceAccountFile)).toEqual({ kind: 'storage#notifications' });
    const Filter = { Key: { FilterRules: [{ Name: 'prefix' as const, Value: 'pipelines/' }] } };
    const QueueConfigurations = [
      { Id: 'a', QueueArn: 'arn:aws:sqs:us-east-1:0:millrace', Events: ['s3:ObjectCreated:*' as const], Filter },
    ];
    await s3.send(
      new PutBucketNotificationConfigurationCommand({ Bucket: 'videos', NotificationConfiguration: { QueueConfigurations } }),
    );
    expect(await listed(bucket, serviceAccountFile)).toEqual({
      kind: 'storage#notifications',
      items: [
        {
          ...{ kind: 'storage#notification', id: '1', payload_format: 'JSON_API_V1', object_name_prefix: 'pipelines/' },
          ...{ topic: '//pubsub.googleapis.com/projects/local/topics/millrace', event_types: ['OBJECT_FINALIZE'] },
        },
      ],
    });
    await expect(listed(bucket, serviceAccountFile, 'others')).rejects.toMatchObject({ status: 404 });
  } finally {
    s3.destroy();
    await bucket.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
