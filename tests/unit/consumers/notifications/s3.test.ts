import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../../../../consumers/notifications/notification.ts';
import type { ObjectEvent } from '../../../../consumers/object-event.ts';

const parse = (body: string) => parseNotification({ body });

/** `application/x-www-form-urlencoded`, as URLSearchParams writes it and AWS does. */
const formEncoded = (key: string) => new URLSearchParams([['k', key]]).toString().slice(2);

function record(overrides: { record?: object; object?: object; key?: string } = {}): string {
  const object = { key: overrides.key ?? 'pipelines/j/x', size: 7, eTag: 'e', sequencer: '0055', ...overrides.object };
  const s3 = { s3SchemaVersion: '1.0', bucket: { name: 'videos', arn: 'arn:aws:s3:::videos' }, object };
  return JSON.stringify({
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        eventTime: '2026-01-02T03:04:05.678Z',
        eventName: 'ObjectCreated:Put',
        s3,
        ...overrides.record,
      },
    ],
  });
}

function bridge(overrides: { event?: object; object?: object } = {}): string {
  const object = { key: 'pipelines/j/x', size: 7, etag: 'e', 'version-id': 'v1', sequencer: '0055', ...overrides.object };
  const detail = { version: '0', bucket: { name: 'videos' }, object, reason: 'PutObject' };
  const event = { version: '0', source: 'aws.s3', 'detail-type': 'Object Created', time: '2026-01-02T03:04:05Z', detail };
  return JSON.stringify({ ...event, ...overrides.event });
}

const inSns = (message: string) => JSON.stringify({ Type: 'Notification', TopicArn: 'arn:aws:sns:x', Message: message });

function only(body: string): ObjectEvent {
  const parsed = parse(body);
  if (parsed.kind !== 'events' || parsed.events.length !== 1)
    throw new Error(`expected one event, found ${JSON.stringify(parsed)}`);
  return parsed.events[0] ?? expect.unreachable();
}

const anyKey = fc.string({ minLength: 1, unit: 'binary' }).filter((key) => key.isWellFormed());

describe('the key', () => {
  test.each<[string, (key: string) => string]>([
    ['AWS, form-encoded', (key) => record({ key: formEncoded(key) })],
    ['AWS, spaces as %20', (key) => record({ key: encodeURIComponent(key) })],
    ['AWS through SNS', (key) => inSns(record({ key: formEncoded(key) }))],
    [
      'MinIO, which encodes slashes too',
      (key) =>
        record({
          key: formEncoded(key),
          record: { eventSource: 'minio:s3', eventName: 's3:ObjectCreated:Put', eventVersion: '2.0' },
        }),
    ],
    ['EventBridge, as it is', (key) => bridge({ object: { key } })],
    ['Ceph, as it is', (key) => record({ key, record: { eventSource: 'ceph:s3' } })],
  ])('%s: any key comes back as it was', (_emitter, encode) => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(only(encode(key)).key).toBe(key);
      }),
    );
  });

  test('is decoded once, so that a literal %25 stays one', () => {
    expect(only(record({ key: 'uploads/100%2525.mp4' })).key).toBe('uploads/100%25.mp4');
    expect(only(bridge({ object: { key: 'a%20b+c' } })).key).toBe('a%20b+c');
  });

  test.each(['%', '%zz', '%ff', 'a%C3'])('%s is no form-encoding, and makes the message unreadable', (key) => {
    expect(parse(record({ key }))).toMatchObject({
      kind: 'unreadable',
      error: { code: 'MESSAGE_NOT_NOTIFICATION' },
    });
  });
});

describe('the facts', () => {
  test('of a record', () => {
    expect(only(record({ object: { versionId: 'v1', eTag: '"quoted"' } }))).toEqual({
      bucket: 'videos',
      key: 'pipelines/j/x',
      kind: 'created',
      etag: 'quoted',
      sizeBytes: 7,
      versionId: 'v1',
      sequencer: '0055',
      timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      source: 's3',
    });
  });

  test('of an EventBridge event, under its own names', () => {
    expect(only(bridge())).toEqual({
      bucket: 'videos',
      key: 'pipelines/j/x',
      kind: 'created',
      etag: 'e',
      sizeBytes: 7,
      versionId: 'v1',
      sequencer: '0055',
      timeMs: Date.UTC(2026, 0, 2, 3, 4, 5),
      source: 's3',
      via: 'eventbridge',
    });
  });

  test('a size as text and an empty version, as Ceph writes them', () => {
    const event = only(record({ object: { size: '1024', versionId: '' }, record: { eventSource: 'ceph:s3' } }));
    expect(event).toMatchObject({ sizeBytes: 1024, source: 'ceph' });
    expect(event).not.toHaveProperty('versionId');
  });

  test("a size that MinIO leaves out is 0, but not a removed object's", () => {
    const minio = { eventSource: 'minio:s3' };
    expect(only(record({ object: { size: undefined }, record: minio }))).toMatchObject({ sizeBytes: 0, source: 'minio' });
    const removed = only(record({ object: { size: undefined }, record: { ...minio, eventName: 's3:ObjectRemoved:Delete' } }));
    expect(removed).not.toHaveProperty('sizeBytes');
  });

  test.each([{ size: 'large' }, { size: -1 }, { size: 1.5 }, { size: '9'.repeat(400) }, { size: {} }])(
    'a size that is none is left out: %j',
    (object) => {
      const event = only(record({ object }));
      expect(event.key).toBe('pipelines/j/x');
      expect(event).not.toHaveProperty('sizeBytes');
    },
  );

  test('what SNS carried says so', () => {
    expect(only(inSns(record()))).toEqual({ ...only(record()), via: 'sns' });
    expect(only(inSns(bridge())).via).toBe('eventbridge');
  });

  test('what is not there is left out', () => {
    const event = only(
      record({ object: { size: undefined, eTag: undefined, sequencer: undefined }, record: { eventTime: undefined } }),
    );
    expect(event).toEqual({ bucket: 'videos', key: 'pipelines/j/x', kind: 'created', source: 's3' });
  });

  test('a time without a zone is in UTC, and one that is none is left out', () => {
    expect(only(record({ record: { eventTime: '2026-01-02T03:04:05' } })).timeMs).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(only(record({ record: { eventTime: '2026-01-02T04:04:05+01:00' } })).timeMs).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(only(record({ record: { eventTime: 'yesterday' } }))).not.toHaveProperty('timeMs');
  });
});

describe('the kind', () => {
  test.each<[string, string, ObjectEvent['kind']]>([
    ['aws:s3', 'ObjectCreated:Put', 'created'],
    ['aws:s3', 'ObjectCreated:Post', 'created'],
    ['aws:s3', 's3:ObjectCreated:CompleteMultipartUpload', 'created'],
    ['aws:s3', 'ObjectRemoved:Delete', 'removed'],
    ['aws:s3', 'ObjectRemoved:DeleteMarkerCreated', 'removed'],
    ['aws:s3', 'LifecycleExpiration:Delete', 'removed'],
    ['aws:s3', 'LifecycleTransition', 'other'],
    ['aws:s3', 'ObjectTagging:Put', 'other'],
    ['aws:s3', 'ObjectRestore:Completed', 'other'],
    ['minio:s3', 's3:ObjectCreated:PutTagging', 'other'],
    ['minio:s3', 's3:ObjectCreated:PutLegalHold', 'other'],
    ['minio:s3', 's3:ObjectCreated:Copy', 'created'],
    ['ceph:s3', 'ObjectCreated:Post', 'other'],
    ['ceph:s3', 's3:ObjectLifecycle:Expiration:Current', 'removed'],
    ['ceph:s3', 's3:ObjectLifecycle:Expiration:NonCurrent', 'other'],
    ['ceph:s3', 's3:ObjectLifecycle:Expiration:AbortMultipartUpload', 'other'],
    ['aws:s3', 'ObjectAcl:Put', 'other'],
    ['aws:s3', 'Replication:OperationFailedReplication', 'other'],
    ['aws:s3', 'IntelligentTiering', 'other'],
  ])('%s %s is %s', (eventSource, eventName, kind) => {
    expect(only(record({ record: { eventSource, eventName } })).kind).toBe(kind);
  });

  test.each<[string, ObjectEvent['kind']]>([
    ['Object Created', 'created'],
    ['Object Deleted', 'removed'],
    ['Object Tags Added', 'other'],
    ['Object Restore Completed', 'other'],
  ])('EventBridge %s is %s', (type, kind) => {
    expect(only(bridge({ event: { 'detail-type': type } })).kind).toBe(kind);
  });
});

test('what is no change of content says why, without more of a long name than fits a line', () => {
  expect(only(record({ record: { eventName: 's3:ObjectTagging:Put' } })).reason).toBe(
    'ObjectTagging:Put is no change of content',
  );
  expect(only(record({ record: { eventName: 'x'.repeat(5000) } })).reason?.length).toBeLessThan(120);
  expect(only(record())).not.toHaveProperty('reason');
});

describe('what is no event', () => {
  test('the test event is ignored, through SNS too', () => {
    const body = JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'videos' });
    expect(parse(body)).toEqual({ kind: 'ignored', reason: 'a test event' });
    expect(parse(inSns(body))).toEqual({ kind: 'ignored', reason: 'a test event' });
  });

  test('newer minor versions are read; another major version is not', () => {
    expect(only(record({ record: { eventVersion: '2.99', brandNew: {} } })).key).toBe('pipelines/j/x');
    expect(parse(record({ record: { eventVersion: '3.0' } }))).toMatchObject({
      kind: 'unreadable',
      error: { message: 'Records[0] cannot be read: its eventVersion is not 2.x' },
    });
  });

  test('one bad record makes the message unreadable, so that nothing is half done', () => {
    const good = JSON.parse(record()).Records[0];
    const body = JSON.stringify({
      Records: [good, { eventName: 'ObjectCreated:Put', s3: { bucket: {}, object: { key: 'k' } } }],
    });
    expect(parse(body)).toMatchObject({
      kind: 'unreadable',
      error: { code: 'MESSAGE_NOT_NOTIFICATION', message: 'Records[1] is no S3 record: see its s3.bucket.name' },
    });
  });

  test.each(['', 'hello', '{"Records":[', '\u0000'])('%j is not JSON', (body) => {
    expect(parse(body)).toMatchObject({ kind: 'unreadable', error: { code: 'MESSAGE_NOT_JSON' } });
  });

  test.each([
    'null',
    '[]',
    '7',
    '{}',
    '{"Records":7}',
    '{"source":"aws.ec2","detail":{}}',
    inSns('hello'),
    inSns('{}'),
    inSns(inSns('{}')),
  ])('%s is JSON, but no notification', (body) => {
    expect(parse(body)).toMatchObject({ kind: 'unreadable', error: { code: 'MESSAGE_NOT_NOTIFICATION' } });
  });
});
