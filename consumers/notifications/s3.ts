/**
 * Notifications of S3 (directly or through EventBridge), MinIO and Ceph.
 *
 * Keys: AWS and MinIO form-encode them in `Records` (`+` is a space); EventBridge and Ceph send them as they are. Only what is
 * used is checked, because every one of these has grown fields over the years.
 */
import { z } from 'zod';
import type { EventSource, ObjectEvent, ParsedNotification } from '../object-event.ts';
import { facts, Name, noContentChange, Size, Text } from './fields.ts';
import { notNotification, wrongField } from './unreadable.ts';

const ObjectRecord = z.object({
  eventVersion: z.string().optional(),
  eventSource: z.string().optional(),
  eventName: Name,
  eventTime: Text,
  s3: z.object({
    bucket: z.object({ name: Name }),
    object: z.object({ key: Name, size: Size, eTag: Text, versionId: Text, sequencer: Text }),
  }),
});
type ObjectRecord = z.infer<typeof ObjectRecord>;

const Records = z.object({ Records: z.array(z.unknown()) });
const TestEvent = z.object({ Event: z.literal('s3:TestEvent') });

const OfEventBridge = z.object({ source: z.literal('aws.s3') });
const EventBridgeEvent = z.object({
  'detail-type': Name,
  time: Text,
  detail: z.object({
    bucket: z.object({ name: Name }),
    object: z.object({ key: Name, size: Size, etag: Text, 'version-id': Text, sequencer: Text }),
  }),
});
type EventBridgeEvent = z.infer<typeof EventBridgeEvent>;

/** The major version of the record format that this reads; minor versions add fields. */
const RECORD_MAJOR_VERSION = '2';

/**
 * `undefined` where the value is none of theirs. One record that cannot be read makes the whole message unreadable, so that none
 * is lost with it.
 */
export function readS3(value: unknown): ParsedNotification | undefined {
  if (TestEvent.safeParse(value).success) return { kind: 'ignored', reason: 'a test event' };
  if (OfEventBridge.safeParse(value).success) {
    const event = EventBridgeEvent.safeParse(value);
    if (!event.success) return wrongField('a message', "event of S3's from EventBridge", event.error);
    return { kind: 'events', events: [fromEventBridge(event.data)] };
  }
  const list = Records.safeParse(value);
  return list.success ? readRecords(list.data.Records) : undefined;
}

function readRecords(records: readonly unknown[]): ParsedNotification {
  if (records.length === 0) return { kind: 'ignored', reason: 'a notification without records' };
  const events: ObjectEvent[] = [];
  for (const [index, item] of records.entries()) {
    const record = ObjectRecord.safeParse(item);
    if (!record.success) return wrongField(`Records[${index}]`, 'S3 record', record.error);
    const event = fromRecord(record.data);
    if (typeof event === 'string') return notNotification(`Records[${index}] cannot be read: ${event}`);
    events.push(event);
  }
  return { kind: 'events', events };
}

/** The event, or why the record cannot be read. */
function fromRecord({ eventVersion, eventSource, eventName, eventTime, s3 }: ObjectRecord): ObjectEvent | string {
  const major = eventVersion?.split('.')[0] ?? RECORD_MAJOR_VERSION;
  if (major !== RECORD_MAJOR_VERSION) return `its eventVersion is not ${RECORD_MAJOR_VERSION}.x`;
  const source = sourceOf(eventSource);
  const key = source === 'ceph' ? s3.object.key : formDecoded(s3.object.key);
  if (key === undefined) return 'its key is not form-encoded';
  const meaning = meaningOf(eventName.replace(/^s3:/, ''), source);
  // MinIO leaves a size of 0 out.
  const size = s3.object.size ?? (source === 'minio' && meaning.kind === 'created' ? 0 : undefined);
  return {
    bucket: s3.bucket.name,
    key,
    ...meaning,
    source,
    ...facts({ ...s3.object, size, etag: s3.object.eTag, time: eventTime }),
  };
}

function fromEventBridge({ detail, time, 'detail-type': type }: EventBridgeEvent): ObjectEvent {
  const { object } = detail;
  return {
    bucket: detail.bucket.name,
    key: object.key,
    ...(type === 'Object Created' || type === 'Object Deleted'
      ? { kind: type === 'Object Created' ? 'created' : 'removed' }
      : noContentChange(type)),
    source: 's3',
    via: 'eventbridge',
    ...facts({ ...object, versionId: object['version-id'], time }),
  };
}

function sourceOf(eventSource = ''): EventSource {
  if (eventSource.startsWith('ceph')) return 'ceph';
  return eventSource.startsWith('minio') ? 'minio' : 's3';
}

/** Filed under what they are not: MinIO's and Ceph's names for what leaves the bytes of the key as they were. */
const NOT_CONTENT: Readonly<Partial<Record<EventSource, ReadonlySet<string>>>> = {
  minio: new Set([
    'ObjectCreated:PutTagging',
    'ObjectCreated:DeleteTagging',
    'ObjectCreated:PutRetention',
    'ObjectCreated:PutLegalHold',
  ]),
  ceph: new Set([
    // The start of a multipart upload; elsewhere it is an upload from a form.
    'ObjectCreated:Post',
    'ObjectLifecycle:Expiration:NonCurrent',
    'ObjectLifecycle:Expiration:DeleteMarker',
    'ObjectLifecycle:Expiration:AbortMultipartUpload',
  ]),
};

function meaningOf(eventName: string, source: EventSource): Pick<ObjectEvent, 'kind' | 'reason'> {
  if (NOT_CONTENT[source]?.has(eventName) === true) return noContentChange(eventName);
  if (eventName.startsWith('ObjectCreated:')) return { kind: 'created' };
  const isRemoval = /^(ObjectRemoved|LifecycleExpiration|ObjectLifecycle:Expiration):/.test(eventName);
  return isRemoval ? { kind: 'removed' } : noContentChange(eventName);
}

function formDecoded(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
