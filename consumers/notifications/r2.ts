/** Notifications of Cloudflare R2. Keys are sent as they are; there is no version and nothing that orders events. */
import { z } from 'zod';
import type { ObjectEvent, ParsedNotification } from '../object-event.ts';
import { facts, fieldOf, Name, noContentChange, Size, Text } from './fields.ts';
import { wrongField } from './unreadable.ts';

const R2Event = z.object({
  action: Name,
  bucket: Name,
  object: z.object({ key: Name, size: Size, eTag: Text }),
  eventTime: Text,
});

const KINDS: ReadonlyMap<string, 'created' | 'removed'> = new Map([
  ['PutObject', 'created'],
  ['CopyObject', 'created'],
  ['CompleteMultipartUpload', 'created'],
  ['DeleteObject', 'removed'],
  ['LifecycleDeletion', 'removed'],
]);

/** `undefined` where the value is no event of R2's. */
export function readR2(value: unknown): ParsedNotification | undefined {
  // No other emitter has an action beside an object.
  if (fieldOf(value, 'action') === undefined || fieldOf(value, 'object') === undefined) return undefined;
  const parsed = R2Event.safeParse(value);
  if (!parsed.success) return wrongField('a message', 'event of R2', parsed.error);
  const { action, bucket, object, eventTime } = parsed.data;
  const kind = KINDS.get(action);
  const event: ObjectEvent = {
    bucket,
    key: object.key,
    ...(kind === undefined ? noContentChange(action) : { kind }),
    source: 'r2',
    ...facts({ ...object, etag: object.eTag, time: eventTime }),
  };
  return { kind: 'events', events: [event] };
}
