import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../../../../consumers/notifications/notification.ts';
import type { ObjectEvent, ParsedNotification } from '../../../../consumers/object-event.ts';

const RESOURCE = {
  kind: 'storage#object',
  bucket: 'videos',
  name: 'pipelines/j/x',
  generation: '1607428286395814',
  metageneration: '1',
  size: '7',
  etag: 'CKbr',
};

function attributes(overrides: Record<string, string | undefined> = {}): Record<string, string> {
  const all = {
    notificationConfig: 'projects/_/buckets/videos/notificationConfigs/1',
    eventType: 'OBJECT_FINALIZE',
    payloadFormat: 'JSON_API_V1',
    bucketId: 'videos',
    objectId: 'pipelines/j/x',
    objectGeneration: '1607428286395814',
    eventTime: '2026-01-02T03:04:05.678901Z',
    ...overrides,
  };
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

const payload = (overrides: object = {}) => JSON.stringify({ ...RESOURCE, ...overrides });
const base64 = (text: string) => Buffer.from(text).toString('base64');
const push = (data: string | undefined, own = attributes(), more: object = {}) =>
  JSON.stringify({ message: { attributes: own, data, messageId: '1', ...more }, subscription: 'projects/p/subscriptions/s' });

function cloudEvent(type: string, data: object = {}): string {
  const event = { specversion: '1.0', id: '1', source: '//storage.googleapis.com/projects/_/buckets/videos' };
  return JSON.stringify({
    ...event,
    type: `google.cloud.storage.object.v1.${type}`,
    subject: 'objects/pipelines/j/x',
    time: '2026-01-02T03:04:05Z',
    data: { ...RESOURCE, ...data },
  });
}

function only(parsed: ParsedNotification): ObjectEvent {
  if (parsed.kind !== 'events' || parsed.events.length !== 1)
    throw new Error(`expected one event, found ${JSON.stringify(parsed)}`);
  return parsed.events[0] ?? expect.unreachable();
}

const pulled = (own: Record<string, string>, body = '') => only(parseNotification({ body, attributes: own }));

const FROM_ATTRIBUTES = {
  bucket: 'videos',
  key: 'pipelines/j/x',
  kind: 'created',
  source: 'gcs',
  generation: '1607428286395814',
  sequencer: '1607428286395814',
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
};
const WITH_PAYLOAD = { ...FROM_ATTRIBUTES, sizeBytes: 7, etag: 'CKbr' };

describe('a message of Pub/Sub', () => {
  test('is read from its attributes alone, where there is no payload', () => {
    expect(pulled(attributes({ payloadFormat: 'NONE' }))).toEqual(FROM_ATTRIBUTES);
  });

  test.each([
    ['as text', payload()],
    ['as base64', base64(payload())],
    ['with its numbers as numbers', payload({ size: 7, generation: 1607428286395814 })],
  ])('takes the size and the etag from its payload, %s', (_form, body) => {
    expect(pulled(attributes(), body)).toEqual(WITH_PAYLOAD);
  });

  test.each([
    ['another object', payload({ name: 'other' })],
    ['another bucket', payload({ bucket: 'other' })],
    ['another generation', payload({ generation: '1' })],
    ['nothing that can be read', 'hello'],
    ['an S3 notification', '{"Records":[]}'],
  ])('believes its attributes where the payload is of %s', (_what, body) => {
    expect(pulled(attributes(), body)).toEqual(FROM_ATTRIBUTES);
  });

  test('is read as a push subscription wraps it, with its fields in both cases', () => {
    const twice = { message_id: '1', publishTime: '2026-01-02T03:04:06Z', publish_time: '2026-01-02T03:04:06Z' };
    expect(only(parseNotification({ body: push(base64(payload()), attributes(), twice) }))).toEqual(WITH_PAYLOAD);
    expect(only(parseNotification({ body: push(undefined) }))).toEqual(FROM_ATTRIBUTES);
  });

  test('is read with what a dead-letter policy added', () => {
    const dead = attributes({ CloudPubSubDeadLetterSourceDeliveryCount: '5', CloudPubSubDeadLetterSourceSubscription: 's' });
    expect(pulled(dead)).toEqual(FROM_ATTRIBUTES);
  });

  test.each(['bucketId', 'objectId', 'eventType'])('without its %s cannot be read, and the attribute is named', (name) => {
    for (const own of [attributes({ [name]: undefined }), attributes({ [name]: '' })])
      expect(parseNotification({ body: payload(), attributes: own })).toMatchObject({
        kind: 'unreadable',
        error: { message: `a message is no notification of Cloud Storage: see its ${name}` },
      });
  });

  test('attributes of other origin are not taken for a notification', () => {
    const body = JSON.stringify({ action: 'PutObject', bucket: 'b', object: { key: 'k' } });
    expect(only(parseNotification({ body, attributes: { eventType: 'x', replays: '1' } })).source).toBe('r2');
  });
});

describe('the kind', () => {
  test.each<[Record<string, string>, ObjectEvent['kind']]>([
    [{ eventType: 'OBJECT_FINALIZE' }, 'created'],
    [{ eventType: 'OBJECT_FINALIZE', overwroteGeneration: '3' }, 'created'],
    [{ eventType: 'OBJECT_DELETE' }, 'removed'],
    [{ eventType: 'OBJECT_ARCHIVE' }, 'removed'],
    [{ eventType: 'OBJECT_DELETE', overwrittenByGeneration: '5' }, 'other'],
    [{ eventType: 'OBJECT_ARCHIVE', overwrittenByGeneration: '5' }, 'other'],
    [{ eventType: 'OBJECT_METADATA_UPDATE' }, 'other'],
    [{ eventType: '__proto__' }, 'other'],
  ])('of %j is %s', (own, kind) => {
    const event = pulled(attributes(own));
    expect(event.kind).toBe(kind);
    expect(event.reason !== undefined).toBe(kind === 'other');
  });

  test.each<[string, ObjectEvent['kind']]>([
    ['finalized', 'created'],
    ['deleted', 'removed'],
    ['archived', 'removed'],
    ['metadataUpdated', 'other'],
  ])('of a CloudEvent %s is %s', (type, kind) => {
    const time = Date.UTC(2026, 0, 2, 3, 4, 5);
    const event = only(parseNotification({ body: cloudEvent(type, { timeDeleted: '2026-01-01T00:00:00Z' }) }));
    expect(event).toMatchObject({ ...WITH_PAYLOAD, kind, timeMs: time });
  });
});

test('a CloudEvent without its object cannot be read', () => {
  expect(parseNotification({ body: cloudEvent('finalized', { name: undefined }) })).toMatchObject({
    kind: 'unreadable',
    error: { message: 'a message is no CloudEvent of Cloud Storage: see its data.name' },
  });
});

test('a generation is compared as text, so it is written in one way', () => {
  expect(pulled(attributes({ objectGeneration: '0001607428286395814' }))).toEqual(FROM_ATTRIBUTES);
  expect(pulled(attributes({ objectGeneration: '18446744073709551615' })).generation).toBe('18446744073709551615');
});

test.each(['', '-1', '1.5', '1e9', 'x', '1'.repeat(400)])('the generation %j is none', (objectGeneration) => {
  const event = pulled(attributes({ objectGeneration }));
  expect(event).not.toHaveProperty('generation');
  expect(event).not.toHaveProperty('sequencer');
});

test('a generation as a number that JavaScript cannot hold is left out', () => {
  const body = cloudEvent('finalized', { generation: 0 }).replace('"generation":0', '"generation":9007199254740993');
  expect(only(parseNotification({ body }))).not.toHaveProperty('generation');
});

test.each<[string, (key: string) => ParsedNotification]>([
  ['attributes', (objectId) => parseNotification({ body: '', attributes: attributes({ objectId }) })],
  ['a push envelope', (objectId) => parseNotification({ body: push(undefined, attributes({ objectId })) })],
  ['a CloudEvent', (name) => parseNotification({ body: cloudEvent('finalized', { name }) })],
])('any key comes back as it was, from %s', (_form, parse) => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'binary' }).filter((key) => key.isWellFormed()),
      (key) => {
        expect(only(parse(key)).key).toBe(key);
      },
    ),
  );
});
