/** What R2 would have told its queue, from what the embedded bucket tells in S3's words. */
import { z } from 'zod';

const ACTIONS = {
  'ObjectCreated:Put': 'PutObject',
  'ObjectCreated:Copy': 'CopyObject',
  'ObjectCreated:CompleteMultipartUpload': 'CompleteMultipartUpload',
  'ObjectRemoved:Delete': 'DeleteObject',
} as const;
type EventName = keyof typeof ACTIONS;

const EventRecord = z.object({
  eventName: z.string().refine((name): name is EventName => Object.hasOwn(ACTIONS, name)),
  eventTime: z.string(),
  s3: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({ key: z.string(), size: z.number().optional(), eTag: z.string().optional() }),
  }),
});
const Notification = z.object({ Records: z.array(EventRecord).default([]) });

/**
 * One R2 message for each record of an S3 notification; none for the test event that S3 sends and R2 does not. Where the object was
 * copied from is not in S3's record, so `copySource` is left out. Throws a ZodError or SyntaxError for anything else.
 */
export function r2Messages(notification: string, accountId: string): string[] {
  const { Records } = Notification.parse(JSON.parse(notification));
  return Records.map(({ eventName, eventTime, s3 }) => {
    const { key, size, eTag } = s3.object;
    const object = { key: formDecode(key), ...(size === undefined ? {} : { size }), ...(eTag === undefined ? {} : { eTag }) };
    return JSON.stringify({ account: accountId, action: ACTIONS[eventName], bucket: s3.bucket.name, object, eventTime });
  });
}

/** R2 writes keys as they are. */
function formDecode(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}
