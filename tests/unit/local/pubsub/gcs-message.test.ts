import { describe, expect, test } from 'vitest';
import { eventMessage, testMessage } from '../../../../local/bucket/notifications.ts';
import { gcsMessages } from '../../../../local/pubsub/gcs-message.ts';

const facts = {
  event: 'ObjectCreated:Put',
  bucket: 'videos',
  key: 'pipelines/job 1/ü+%/segments.json',
  content: { sizeBytes: 12, etag: 'd41d8cd98f00b204e9800998ecf8427e' },
  sequence: 255,
  timeMs: Date.UTC(2026, 10, 25, 12),
  region: 'us-east-1',
  requestId: 'R',
  sourceIpAddress: '127.0.0.1',
} as const;

describe('what Cloud Storage would publish', () => {
  test('of a write: attributes that say everything, and the object as the payload', () => {
    const [message, ...more] = gcsMessages(eventMessage(facts, 'millrace'));
    expect(more).toEqual([]);
    expect(message?.attributes).toEqual({
      notificationConfig: 'projects/_/buckets/videos/notificationConfigs/1',
      eventType: 'OBJECT_FINALIZE',
      payloadFormat: 'JSON_API_V1',
      bucketId: 'videos',
      objectId: 'pipelines/job 1/ü+%/segments.json',
      objectGeneration: '255',
      eventTime: '2026-11-25T12:00:00.000Z',
    });
    expect(JSON.parse(String(message?.data))).toMatchObject({
      kind: 'storage#object',
      bucket: 'videos',
      name: 'pipelines/job 1/ü+%/segments.json',
      generation: '255',
      metageneration: '1',
      size: '12',
      md5Hash: '1B2M2Y8AsgTpgAmY7PhCfg==',
    });
  });

  test('of a removal: a deletion, whose object has no size', () => {
    const { content: _, ...removal } = { ...facts, event: 'ObjectRemoved:Delete' } as const;
    const [message] = gcsMessages(eventMessage(removal, 'millrace'));
    expect(message?.attributes.eventType).toBe('OBJECT_DELETE');
    const resource: unknown = JSON.parse(String(message?.data));
    expect(resource).toMatchObject({ timeDeleted: '2026-11-25T12:00:00.000Z' });
    expect(resource).not.toHaveProperty('size');
  });

  test('an upload in parts has no MD5', () => {
    const content = { sizeBytes: 12, etag: 'd41d8cd98f00b204e9800998ecf8427e-2' };
    const [message] = gcsMessages(eventMessage({ ...facts, content }, 'millrace'));
    expect(JSON.parse(String(message?.data))).not.toHaveProperty('md5Hash');
  });

  test.each([
    ['1607428286395814', '1607428286395814'],
    ['not-digits', '255'],
    [undefined, '255'],
  ])('with the version %j the generation is %s', (versionId, generation) => {
    const notification = JSON.parse(eventMessage(facts, 'millrace'));
    notification.Records[0].s3.object.versionId = versionId;
    const [message] = gcsMessages(JSON.stringify(notification));
    expect(message?.attributes.objectGeneration).toBe(generation);
  });

  test('of a test event: nothing', () => {
    expect(gcsMessages(testMessage('videos', 0, 'R'))).toEqual([]);
  });
});
