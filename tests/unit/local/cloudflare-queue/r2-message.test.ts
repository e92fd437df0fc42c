import { expect, test } from 'vitest';
import { eventMessage, type ObjectEvent, testMessage } from '../../../../local/bucket/notifications.ts';
import { r2Messages } from '../../../../local/cloudflare-queue/r2-message.ts';

const facts = {
  bucket: 'videos',
  key: 'pipelines/job 1/größe+100%.mp4',
  sequence: 1,
  timeMs: Date.UTC(2026, 10, 4, 10, 15),
  region: 'auto',
  requestId: 'r',
  sourceIpAddress: '127.0.0.1',
};
const content = { sizeBytes: 1234, etag: 'abc-2' };

test.each<[ObjectEvent, string]>([
  ['ObjectCreated:Put', 'PutObject'],
  ['ObjectCreated:Copy', 'CopyObject'],
  ['ObjectCreated:CompleteMultipartUpload', 'CompleteMultipartUpload'],
])('%s of the embedded bucket is %s of R2, with the key as it is', (event, action) => {
  const messages = r2Messages(eventMessage({ ...facts, event, content }, 'id'), 'acc').map((text): unknown => JSON.parse(text));
  expect(messages).toEqual([
    {
      account: 'acc',
      action,
      bucket: 'videos',
      object: { key: 'pipelines/job 1/größe+100%.mp4', size: 1234, eTag: 'abc-2' },
      eventTime: '2026-11-04T10:15:00.000Z',
    },
  ]);
});

test('what was deleted has a key alone', () => {
  const [message] = r2Messages(eventMessage({ ...facts, event: 'ObjectRemoved:Delete' }, 'id'), 'acc');
  expect(JSON.parse(message ?? '')).toMatchObject({ action: 'DeleteObject', object: { key: facts.key } });
  expect(Object.keys(JSON.parse(message ?? '').object)).toEqual(['key']);
});

test('R2 sends no test event', () => {
  expect(r2Messages(testMessage('videos', 0, 'r'), 'acc')).toEqual([]);
});

test('an event that R2 does not have is refused rather than dropped', () => {
  const body = eventMessage({ ...facts, event: 'ObjectCreated:Put', content }, 'id').replace(
    'ObjectCreated:Put',
    'ObjectTagging:Put',
  );
  expect(() => r2Messages(body, 'acc')).toThrow();
});
