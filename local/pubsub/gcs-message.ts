/** What Cloud Storage would publish of a write: made from the S3 notification that the local bucket delivers. */
import { z } from 'zod';
import type { PublishedMessage } from '../../consumers/pubsub-calls.ts';

const Records = z.object({
  Records: z.array(
    z.object({
      eventName: z.string(),
      eventTime: z.string(),
      s3: z.object({
        bucket: z.object({ name: z.string() }),
        object: z.object({
          key: z.string(),
          size: z.number().optional(),
          eTag: z.string().optional(),
          versionId: z.string().optional(),
          sequencer: z.string(),
        }),
      }),
    }),
  ),
});
type StoredObject = z.infer<typeof Records>['Records'][number]['s3']['object'];

/** None for a test event: Cloud Storage sends none. Throws a ZodError for what the local bucket does not write. */
export function gcsMessages(notification: string): PublishedMessage[] {
  const json: unknown = JSON.parse(notification);
  if (typeof json === 'object' && json !== null && 'Event' in json && json.Event === 's3:TestEvent') return [];
  return Records.parse(json).Records.map(({ eventName, eventTime, s3: { bucket, object } }) => {
    const key = formDecoded(object.key);
    const isRemoval = eventName.startsWith('ObjectRemoved:');
    const generation = generationOf(object);
    const attributes = {
      notificationConfig: `projects/_/buckets/${bucket.name}/notificationConfigs/1`,
      eventType: isRemoval ? 'OBJECT_DELETE' : 'OBJECT_FINALIZE',
      payloadFormat: 'JSON_API_V1',
      bucketId: bucket.name,
      objectId: key,
      objectGeneration: generation,
      eventTime,
    };
    const resource = {
      kind: 'storage#object',
      id: `${bucket.name}/${key}/${generation}`,
      name: key,
      bucket: bucket.name,
      generation,
      metageneration: '1',
      timeCreated: eventTime,
      updated: eventTime,
      storageClass: 'STANDARD',
      ...(object.size === undefined ? {} : { size: String(object.size) }),
      ...md5Of(object.eTag),
      ...(isRemoval ? { timeDeleted: eventTime } : {}),
    };
    return { data: JSON.stringify(resource), attributes };
  });
}

/** The bucket's own generation, where its notifications carry one; else their place in its history: digits that grow, either way. */
function generationOf({ versionId, sequencer }: StoredObject): string {
  return versionId !== undefined && /^\d+$/.test(versionId) ? versionId : BigInt(`0x${sequencer}`).toString();
}

const formDecoded = (key: string): string => decodeURIComponent(key.replaceAll('+', ' '));

/** Google writes the same sum in base64. An upload in parts has none there, and another ETag on S3. */
function md5Of(etag: string | undefined) {
  const hex = etag?.replaceAll('"', '') ?? '';
  return /^[0-9a-f]{32}$/.test(hex) ? { md5Hash: Buffer.from(hex, 'hex').toString('base64') } : {};
}
