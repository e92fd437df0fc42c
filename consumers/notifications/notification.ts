/**
 * What a queue's message says, whoever sent it. The message itself tells which emitter it came from: any of them can come over
 * any queue, and one queue may hear several.
 */
import { z } from 'zod';
import type { ObjectEvent, ParsedNotification } from '../object-event.ts';
import { readGcsAttributes, readGcsCloudEvent } from './gcs.ts';
import { readMessageJson } from './message-json.ts';
import { readPubsubMessage } from './pubsub-message.ts';
import { readR2 } from './r2.ts';
import { readS3 } from './s3.ts';
import { notJson, notNotification } from './unreadable.ts';

export interface NotificationMessage {
  readonly body: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

const SnsEnvelope = z.object({ Type: z.literal('Notification'), Message: z.string() });

/** Never throws. */
export function parseNotification({ body, attributes = {} }: NotificationMessage): ParsedNotification {
  // Before the body, which may be empty beside them.
  const byAttributes = readGcsAttributes(attributes, body);
  if (byAttributes !== undefined) return byAttributes;
  const json = readMessageJson(body);
  return json.ok ? readNotification(json.value) : notJson(json.why);
}

/** The same of a body that has been read as JSON. */
export function readNotification(value: unknown): ParsedNotification {
  const sns = SnsEnvelope.safeParse(value);
  if (!sns.success) return readEmitted(value);
  const inner = readMessageJson(sns.data.Message);
  if (!inner.ok) return notNotification('an SNS message wraps something that is not JSON');
  const parsed = readEmitted(inner.value);
  if (parsed.kind !== 'events') return parsed;
  const events = parsed.events.map((event): ObjectEvent => ({ via: 'sns', ...event }));
  return { kind: 'events', events };
}

function readEmitted(value: unknown): ParsedNotification {
  const pubsub = readPubsubMessage(value);
  return (
    (pubsub === undefined ? undefined : readGcsAttributes(pubsub.attributes, pubsub.data)) ??
    readS3(value) ??
    readR2(value) ??
    readGcsCloudEvent(value) ??
    notNotification(`a message is JSON, but no notification of ${EMITTERS}`)
  );
}

const EMITTERS = 'S3, EventBridge, MinIO, Ceph, R2 or Cloud Storage';
