import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examine } from '../../../../cli/doctor/examination.ts';
import { s3Notification } from '../../../../cli/doctor/s3-notification.ts';
import { silentLogger } from '../../../../log.ts';

/** What S3 and stores like it answer, where no local one does: by hand, in the words of their API references. */
const ANSWERS = {
  eventbridge: [
    200,
    '<NotificationConfiguration><EventBridgeConfiguration></EventBridgeConfiguration></NotificationConfiguration>',
  ],
  minio: [
    200,
    '<NotificationConfiguration><QueueConfiguration><Id>a</Id><Queue>arn:minio:sqs::primary:webhook</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>',
  ],
  forbidden: [403, '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'],
  silent: [501, '<Error><Code>NotImplemented</Code><Message>Not implemented</Message></Error>'],
  both: [
    200,
    `<NotificationConfiguration>${['Created', 'Removed'].map((kind) => `<QueueConfiguration><Id>${kind}</Id><Queue>arn:aws:sqs:eu-west-1:1:events</Queue><Event>s3:Object${kind}:*</Event><Filter><S3Key><FilterRule><Name>Prefix</Name><Value>pipelines/</Value></FilterRule></S3Key></Filter></QueueConfiguration>`).join('')}</NotificationConfiguration>`,
  ],
} as const;

const server = createServer((request, response) => {
  if (request.method === 'POST') {
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify({ Attributes: { QueueArn: 'arn:aws:sqs:eu-west-1:1:events' } }));
    return;
  }
  const bucket = request.url?.split(/[/?]/)[1] ?? '';
  const [status, body] = ANSWERS[bucket as keyof typeof ANSWERS];
  response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test.each([
  {
    bucket: 'eventbridge',
    outcome: 'skipped',
    found: /EventBridge; which rule tells events of what cannot be followed/,
    fix: /^Look at the rules/,
  },
  { bucket: 'minio', outcome: 'skipped', found: /arn:minio:sqs::primary:webhook, a target of this store's own/, fix: /settings/ },
  {
    bucket: 'forbidden',
    outcome: 'skipped',
    found: /may not read .*s3:GetBucketNotification/,
    fix: /^With keys that may: aws s3api get-/,
  },
  { bucket: 'silent', outcome: 'skipped', found: /does not show its notification configuration/, fix: /settings/ },
  { bucket: 'both', outcome: 'ok', found: /^the bucket tells events of what is created and removed under pipelines\// },
])('the notifications of $bucket are $outcome', async ({ bucket, outcome, found, fix }) => {
  const address = server.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const env = {
    ...{ VIDEOS_BUCKET: bucket, S3_ENDPOINT_URL: endpoint, S3_REGION: 'eu-west-1', S3_ADDRESSING_STYLE: 'path' },
    ...{ AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' },
  };
  const examination = examine(env, 'deployment', { log: silentLogger });
  const findings = await s3Notification(examination, `${endpoint}/1/events`, AbortSignal.timeout(9_000));
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({ outcome, found: expect.stringMatching(found) });
  if (fix !== undefined) expect(findings[0]).toMatchObject({ fix: expect.stringMatching(fix) });
});
