/**
 * Notifications of Google Cloud Storage: Pub/Sub messages, whose attributes say everything that is needed (their payload is an
 * object resource, or nothing), and Eventarc's CloudEvents. Keys are sent as they are.
 *
 * An overwrite sends two events: the new generation's creation, and the old one's removal, which names the new one. The object
 * is still there, so the second is no removal.
 */
import { z } from 'zod';
import type { ObjectEvent, ParsedNotification } from '../object-event.ts';
import { facts, fieldOf, Generation, Name, noContentChange, Size, Text } from './fields.ts';
import { readMessageJson } from './message-json.ts';
import { wrongField } from './unreadable.ts';

const Attributes = z.object({
  eventType: Name,
  bucketId: Name,
  objectId: Name,
  objectGeneration: Generation,
  overwrittenByGeneration: Text,
  eventTime: Text,
});
/** One of these alone can be anybody's attribute; with two of them it is a notification, or one with a field missing. */
const OWN_ATTRIBUTES = ['eventType', 'bucketId', 'objectId'] as const;
const ENOUGH_OWN_ATTRIBUTES = 2;

const Resource = z.object({
  bucket: Name,
  name: Name,
  generation: Generation,
  metageneration: Generation,
  size: Size,
  etag: Text,
  updated: Text,
  timeDeleted: Text,
});

const EVENTARC_PREFIX = 'google.cloud.storage.object.v1.';
const OfEventarc = z.object({ type: z.string().startsWith(EVENTARC_PREFIX) });
const CloudEvent = z.object({ type: z.string(), time: Text, data: Resource });

const OfResource = z.object({ kind: z.literal('storage#object') });

type Meaning = Pick<ObjectEvent, 'kind' | 'reason'>;

/** An archived version is an old one now, and nothing took its place. */
const KINDS: ReadonlyMap<string, 'created' | 'removed'> = new Map([
  ['OBJECT_FINALIZE', 'created'],
  ['OBJECT_DELETE', 'removed'],
  ['OBJECT_ARCHIVE', 'removed'],
  ['finalized', 'created'],
  ['deleted', 'removed'],
  ['archived', 'removed'],
]);

/** `payload` is the text beside the attributes. `undefined` where the attributes are not Cloud Storage's. */
export function readGcsAttributes(attributes: unknown, payload: string): ParsedNotification | undefined {
  if (OWN_ATTRIBUTES.filter((name) => fieldOf(attributes, name) !== undefined).length < ENOUGH_OWN_ATTRIBUTES) return undefined;
  const parsed = Attributes.safeParse(attributes);
  if (!parsed.success) return wrongField('a message', 'notification of Cloud Storage', parsed.error);
  const {
    eventType,
    bucketId: bucket,
    objectId: key,
    objectGeneration: generation,
    overwrittenByGeneration,
    eventTime,
  } = parsed.data;
  const meaning = overwrittenByGeneration === undefined ? meaningOf(eventType) : overwritten(eventType);
  // More facts, where there are any; what the event is about, its attributes alone decide.
  const resource = Resource.safeParse(jsonOf(payload)).data;
  const isSame =
    resource?.bucket === bucket && resource.name === key && (generation ?? resource.generation) === resource.generation;
  return oneEvent(bucket, key, meaning, {
    ...(isSame ? resource : {}),
    ...(generation === undefined ? {} : { generation }),
    time: eventTime,
  });
}

/** Eventarc's CloudEvent. `undefined` where the value is none of Cloud Storage's. */
export function readGcsCloudEvent(value: unknown): ParsedNotification | undefined {
  if (!OfEventarc.safeParse(value).success) return undefined;
  const parsed = CloudEvent.safeParse(value);
  if (!parsed.success) return wrongField('a message', 'CloudEvent of Cloud Storage', parsed.error);
  const { type, time, data } = parsed.data;
  return oneEvent(data.bucket, data.name, meaningOf(type.slice(EVENTARC_PREFIX.length)), { ...data, time });
}

/**
 * An object resource alone, as it lies in a message whose attributes are lost: only an object with its first metadata was just
 * created, and one with a time of deletion was deleted. `undefined` where the value is none.
 */
export function readGcsResource(value: unknown): ParsedNotification | undefined {
  if (!OfResource.safeParse(value).success) return undefined;
  const parsed = Resource.safeParse(value);
  if (!parsed.success) return wrongField('a message', 'object of Cloud Storage', parsed.error);
  const { bucket, name, metageneration = '1', timeDeleted, updated } = parsed.data;
  const meaning: Meaning =
    timeDeleted === undefined
      ? metageneration === '1'
        ? { kind: 'created' }
        : noContentChange('a change of metadata')
      : { kind: 'removed' };
  return oneEvent(bucket, name, meaning, { ...parsed.data, time: timeDeleted ?? updated });
}

type Facts = Parameters<typeof facts>[0];

function oneEvent(bucket: string, key: string, meaning: Meaning, more: Facts): ParsedNotification {
  const event: ObjectEvent = { bucket, key, ...meaning, source: 'gcs', ...facts({ ...more, sequencer: more.generation }) };
  return { kind: 'events', events: [event] };
}

function meaningOf(eventType: string): Meaning {
  const kind = KINDS.get(eventType);
  return kind === undefined ? noContentChange(eventType) : { kind };
}

/** Only the end of the old generation names a newer one. */
function overwritten(eventType: string): Meaning {
  return KINDS.get(eventType) === 'created'
    ? { kind: 'created' }
    : { kind: 'other', reason: 'an old generation, whose object was overwritten: the new one has an event of its own' };
}

function jsonOf(payload: string): unknown {
  const json = readMessageJson(payload);
  return json.ok ? json.value : undefined;
}
