import { expect, test } from 'vitest';
import { describeNotifications } from '../../../../local/cloudflare-queue/event-notifications.ts';

const QUEUE = { queueId: 'q1', queueName: 'events' };
const RULES = [{ id: 'millrace', prefix: 'pipelines/', suffix: '', events: ['s3:ObjectCreated:Put', 's3:ObjectRemoved:*'] }];
const of = (path: string) => describeNotifications(path, QUEUE, (bucket) => (bucket === 'videos' ? RULES : []));

test('a bucket shows its rules by queue, in R2\u2019s words', () => {
  const rules = [
    {
      ruleId: expect.stringMatching(/^[0-9a-f]{32}$/),
      description: 'millrace',
      prefix: 'pipelines/',
      suffix: '',
      actions: ['PutObject', 'DeleteObject', 'LifecycleDeletion'],
    },
  ];
  expect(of('/videos/configuration')).toEqual({ bucketName: 'videos', queues: [{ ...QUEUE, rules }] });
  expect(of('/videos/configuration/queues/q1')).toEqual({ ...QUEUE, rules });
});

test.each(['/other/configuration', '/videos/configuration/queues/q2'])('%s has no configuration', (path) => {
  expect(() => of(path)).toThrow(expect.objectContaining({ status: 404, code: 11_015 }));
});

test('another path is none', () => {
  expect(() => of('/videos')).toThrow(expect.objectContaining({ status: 404, code: 7003 }));
});
