/**
 * The bodies of S3 notifications in an SQS queue: from AWS directly, through SNS or EventBridge, from MinIO and from Ceph.
 *
 * Keys: AWS and MinIO form-encode them in `Records` (`+` is a space); EventBridge and Ceph send them as they are. Only what is
 * used is checked, because every one of these has grown fields over the years.
 */
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import type { EventSource, ObjectEvent, ParsedNotification } from '../object-event.ts';

/** Ceph writes sizes as text; MinIO leaves a 0 out. */
const Size = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).optional();
/** Ceph writes `""` for what there is none of. */
const Text = z
  .string()
  .nullish()
  .transform((text) => (text === null || text === '' ? undefined : text));
const Name = z.string().min(1);

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
const SnsEnvelope = z.object({ Type: z.literal('Notification'), Message: z.string() });

const EventBridgeEvent = z.object({
  source: z.literal('aws.s3'),
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

/** Never throws. One record that cannot be read makes the whole message unreadable, so that none is lost with it. */
export function parseS3Notification(body: string): ParsedNotification {
  const json = parseJson(body);
  if (!json.ok) return unreadable('MESSAGE_NOT_JSON', `a message is not JSON: ${json.why}`);
  const sns = SnsEnvelope.safeParse(json.value);
  if (!sns.success) return parseNotification(json.value);
  const inner = parseJson(sns.data.Message);
  return inner.ok ? parseNotification(inner.value) : notNotification('an SNS message wraps something that is not JSON');
}

function parseNotification(value: unknown): ParsedNotification {
  if (TestEvent.safeParse(value).success) return { kind: 'ignored', reason: 'a test event' };
  const bridge = EventBridgeEvent.safeParse(value);
  if (bridge.success) return { kind: 'events', events: [fromEventBridge(bridge.data)] };
  const list = Records.safeParse(value);
  if (!list.success) return notNotification('a message is JSON, but neither S3 records nor an EventBridge event of S3');
  if (list.data.Records.length === 0) return { kind: 'ignored', reason: 'a notification without records' };
  const events: ObjectEvent[] = [];
  for (const [index, item] of list.data.Records.entries()) {
    const record = ObjectRecord.safeParse(item);
    if (!record.success) {
      const field = record.error.issues[0]?.path.join('.') ?? '';
      return notNotification(`Records[${index}] is no S3 record: ${field === '' ? 'it is no object' : `see its ${field}`}`);
    }
    const event = fromRecord(record.data);
    if (typeof event === 'string') return notNotification(`Records[${index}] cannot be read: ${event}`);
    events.push(event);
  }
  return { kind: 'events', events };
}

/** The event, or why the record cannot be read. */
function fromRecord({ eventVersion, eventSource, eventName, eventTime, s3 }: ObjectRecord): ObjectEvent | string {
  const major = eventVersion?.split('.')[0] ?? RECORD_MAJOR_VERSION;
  if (major !== RECORD_MAJOR_VERSION) return `its eventVersion is ${JSON.stringify(eventVersion)}`;
  const source = sourceOf(eventSource);
  const key = source === 'ceph' ? s3.object.key : formDecoded(s3.object.key);
  if (key === undefined) return 'its key is not form-encoded';
  return {
    bucket: s3.bucket.name,
    key,
    kind: kindOf(eventName.replace(/^s3:/, ''), source),
    source,
    ...facts({ ...s3.object, etag: s3.object.eTag, time: eventTime }),
  };
}

function fromEventBridge({ detail, time, 'detail-type': type }: EventBridgeEvent): ObjectEvent {
  const { object } = detail;
  return {
    bucket: detail.bucket.name,
    key: object.key,
    kind: type === 'Object Created' ? 'created' : type === 'Object Deleted' ? 'removed' : 'other',
    source: 'eventbridge',
    ...facts({ ...object, versionId: object['version-id'], time }),
  };
}

function sourceOf(eventSource = ''): EventSource {
  if (eventSource.startsWith('ceph')) return 'ceph';
  return eventSource.startsWith('minio') ? 'minio' : 's3';
}

/** MinIO files these under ObjectCreated too, and they change no bytes. */
const MINIO_NOT_CONTENT: ReadonlySet<string> = new Set([
  'ObjectCreated:PutTagging',
  'ObjectCreated:DeleteTagging',
  'ObjectCreated:PutRetention',
  'ObjectCreated:PutLegalHold',
]);

function kindOf(eventName: string, source: EventSource): ObjectEvent['kind'] {
  if (MINIO_NOT_CONTENT.has(eventName)) return 'other';
  // On Ceph this is the start of a multipart upload; elsewhere it is an upload from a form.
  if (source === 'ceph' && eventName === 'ObjectCreated:Post') return 'other';
  if (eventName.startsWith('ObjectCreated:')) return 'created';
  return /^(ObjectRemoved|LifecycleExpiration|ObjectLifecycle:Expiration):/.test(eventName) ? 'removed' : 'other';
}

interface RawFacts {
  readonly etag?: string | undefined;
  readonly size?: number | undefined;
  readonly versionId?: string | undefined;
  readonly sequencer?: string | undefined;
  readonly time?: string | undefined;
}

function facts({ etag, size, versionId, sequencer, time }: RawFacts) {
  const timeMs = instant(time);
  return {
    ...(etag === undefined ? {} : { etag: etag.replace(/^"(.*)"$/, '$1') }),
    ...(size === undefined ? {} : { sizeBytes: size }),
    ...(versionId === undefined ? {} : { versionId }),
    ...(sequencer === undefined ? {} : { sequencer }),
    ...(timeMs === undefined ? {} : { timeMs }),
  };
}

/** A time without a zone is in UTC: some emulators leave the `Z` out, and Date.parse would take it for local time. */
function instant(time: string | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(time) ? time : `${time}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

function formDecoded(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

type Json = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string };

function parseJson(text: string): Json {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    // The parser's own words quote the text, and a message that is no notification can hold anything.
    return { ok: false, why: text === '' ? 'it is empty' : `it has ${text.length} characters` };
  }
}

function notNotification(message: string): ParsedNotification {
  return unreadable('MESSAGE_NOT_NOTIFICATION', message);
}

function unreadable(code: 'MESSAGE_NOT_JSON' | 'MESSAGE_NOT_NOTIFICATION', message: string): ParsedNotification {
  return { kind: 'unreadable', error: new MillraceError(code, message) };
}
