/** What doctor says of a bucket and queues that nobody here wrote, and of ways that it cannot follow to their end. */
import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import { buffer } from 'node:stream/consumers';
import {
  CreateBucketCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runChecks } from '../../../cli/doctor/check.ts';
import { checksOf } from '../../../cli/doctor/checks.ts';
import { examine } from '../../../cli/doctor/examination.ts';
import { silentLogger } from '../../../log.ts';
import { startMoto } from '../../peers/moto.ts';

const REGION = 'eu-west-1';
const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
const FILTER = { Key: { FilterRules: [{ Name: 'prefix' as const, Value: 'pipelines/' }] } };

const moto = await startMoto();

describe.skipIf(moto === null)('doctor on moto', () => {
  const endpoint = moto?.endpoint ?? '';
  let s3: S3Client;
  let sqs: SQSClient;
  let queueUrl = '';
  let topicArn = '';

  beforeAll(async () => {
    s3 = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials: CREDENTIALS });
    sqs = new SQSClient({ endpoint, region: REGION, credentials: CREDENTIALS });
    await s3.send(new CreateBucketCommand({ Bucket: 'videos', CreateBucketConfiguration: { LocationConstraint: REGION } }));
    queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: 'events' }))).QueueUrl ?? '';
    topicArn = await createTopic('jobs');
  });
  afterAll(async () => {
    s3.destroy();
    sqs.destroy();
    await moto?.stop();
  });

  /** By hand: nothing else here needs a client of SNS. moto tells the service by the signature's scope, and checks no more of it. */
  async function createTopic(name: string): Promise<string> {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/${REGION}/sns/aws4_request, SignedHeaders=host, Signature=0`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ Action: 'CreateTopic', Version: '2010-03-31', Name: name }),
    });
    const [, arn] = /<TopicArn>([^<]+)<\/TopicArn>/.exec(await response.text()) ?? [];
    if (arn === undefined) throw new Error(`moto made no topic: ${response.status}`);
    return arn;
  }

  async function findingOf(check: string, storeEndpoint = endpoint) {
    const env = {
      ...{ VIDEOS_BUCKET: 's3://videos', S3_ENDPOINT_URL: storeEndpoint, S3_REGION: REGION, S3_ADDRESSING_STYLE: 'path' },
      ...{
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        MILLRACE_QUEUE_URL: queueUrl,
        MILLRACE_QUEUE_REGION: REGION,
      },
    };
    const checks = checksOf('deployment').filter(({ name }) => name === check);
    const [finding] = await runChecks(
      checks.map((each) => ({ ...each, needs: [] })),
      examine(env, 'deployment', { log: silentLogger }),
    );
    return finding;
  }

  const configure = (configuration: NotificationConfiguration) =>
    s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: 'videos', NotificationConfiguration: configuration }));

  test('an SNS topic is followed as far as its rule, and no further', async () => {
    const Events = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] as const;
    await configure({ TopicConfigurations: [{ Id: 'jobs', TopicArn: topicArn, Events: [...Events], Filter: FILTER }] });
    expect(await findingOf('notification')).toMatchObject({
      outcome: 'skipped',
      found: expect.stringContaining('cannot be followed from here'),
      fix: expect.stringContaining(`aws sns list-subscriptions-by-topic --topic-arn ${topicArn}`),
    });
    await configure({ TopicConfigurations: [{ Id: 'jobs', TopicArn: topicArn, Events: [...Events] }] });
    expect(await findingOf('notification')).toMatchObject({
      outcome: 'wrong',
      found: expect.stringContaining('has no prefix'),
      fix: expect.stringMatching(/"TopicConfigurations":\[.*\]/),
    });
  });

  test('a store that overwrites where it should refuse cannot hold claims', async () => {
    const overwriting = await startWithoutConditions(endpoint);
    try {
      expect(await findingOf('conditional-creation')).toMatchObject({ outcome: 'ok' });
      expect(await findingOf('conditional-creation', overwriting.endpoint)).toMatchObject({
        outcome: 'wrong',
        found: expect.stringMatching(/20 of 20 racers created the same key \(CONDITIONAL_CREATE_UNSUPPORTED\)/),
        fix: expect.stringContaining('Keep the state in a store that honours If-None-Match'),
      });
    } finally {
      overwriting.close();
    }
  });
});

/** In front of a store, as some S3-compatible ones are: conditions are dropped on the way. */
async function startWithoutConditions(target: string): Promise<{ endpoint: string; close(): void }> {
  const server = createServer(async (request, response) => {
    const { 'if-none-match': _, ...headers } = request.headers;
    const outgoing = send(new URL(target).origin + (request.url ?? '/'), { method: request.method, headers });
    outgoing.end(await buffer(request));
    const [answer] = await once(outgoing, 'response');
    response.writeHead(answer.statusCode, answer.headers).end(await buffer(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
