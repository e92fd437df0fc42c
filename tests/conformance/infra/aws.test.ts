import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../../cli/consumer-process.ts';
import { runChecks } from '../../../cli/doctor/check.ts';
import { checksOf } from '../../../cli/doctor/checks.ts';
import { examine } from '../../../cli/doctor/examination.ts';
import { type Config, readConfig, requireVariables } from '../../../config.ts';
import { parseNotification } from '../../../consumers/notifications/notification.ts';
import { startEndpoint } from '../../../local/endpoint/endpoint.ts';
import { createLogger } from '../../../log.ts';
import { startMoto } from '../../peers/moto.ts';
import { allows, IamPolicy } from './iam-policy.ts';
import { startNeedsProxy } from './needs-proxy.ts';
import { APPLY_TIMEOUT_MS, checkFormat, openTerraform, terraformVersion } from './terraform.ts';

const BUCKET = 'videos-of-a-test';
const REGION = 'eu-west-1';
const RUNPOD_KEY = 'runpod-key-of-a-test';
const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
const TEST_TIMEOUT_MS = 90_000;
const RECEIVE_WAIT_SECONDS = 5;
const MAX_RECEIVES = 50;
const MAX_RECEIVE_COUNT = 5;

const version = await terraformVersion();
const moto = version === null ? null : await startMoto();
const terraform = version === null || moto === null ? null : await openTerraform(version, moto.endpoint);

afterAll(async () => {
  await terraform?.remove();
  await moto?.stop();
});

describe.skipIf(version === null)('the Terraform of every cloud', () => {
  it('is formatted as terraform formats it', () => checkFormat());
});

describe.skipIf(terraform === null)('infra/aws without AWS', () => {
  it('is valid', async () => {
    await expect(open(terraform).run('validate')).resolves.toContain('Success!');
  }, 60_000);

  it(
    'makes the identity that is asked for, and refuses names that cannot work',
    async () => {
      // Bounded from below too: a suite whose runs were not found would pass.
      const printed = await open(terraform).run('test');
      expect(printed).toMatch(/Success! ([5-9]|\d\d+) passed, 0 failed/);
    },
    APPLY_TIMEOUT_MS,
  );
});

describe.skipIf(terraform === null)('infra/aws applied to moto', () => {
  let config: Applied;
  let policy: IamPolicy;
  let bucketPolicy: unknown;
  let s3: S3Client;
  let sqs: SQSClient;

  beforeAll(async () => {
    const { run } = open(terraform);
    const endpoint = open(moto).endpoint;
    await run('apply', '-auto-approve', '-input=false', `-var=bucket_name=${BUCKET}`, `-var=region=${REGION}`);
    config = applied(Environment.parse(JSON.parse(await run('output', '-json', 'environment'))));
    policy = policyIn(await run('show', '-json'));
    s3 = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials: CREDENTIALS });
    sqs = new SQSClient({ endpoint, region: REGION, credentials: CREDENTIALS });
    const { Policy = '' } = await s3.send(new GetBucketPolicyCommand({ Bucket: BUCKET }));
    bucketPolicy = JSON.parse(Policy);
    // moto does not read conditions: what is denied without TLS would be denied always.
    await s3.send(new DeleteBucketPolicyCommand({ Bucket: BUCKET }));
  }, APPLY_TIMEOUT_MS);
  afterAll(() => {
    s3?.destroy();
    sqs?.destroy();
  });

  beforeEach(() => sqs.send(new PurgeQueueCommand({ QueueUrl: config.MILLRACE_QUEUE_URL })));

  const put = (key: string, body: string) => s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }));

  /** Receives and deletes messages until `isLast`; the events that they told of, in order. */
  async function eventsUntil(isLast: (event: string) => boolean): Promise<string[]> {
    const seen: string[] = [];
    const QueueUrl = config.MILLRACE_QUEUE_URL;
    for (let receives = 0; receives < MAX_RECEIVES; receives += 1) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: RECEIVE_WAIT_SECONDS }));
      for (const { Body = '', ReceiptHandle } of Messages) {
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        const parsed = parseNotification({ body: Body });
        if (parsed.kind === 'unreadable') throw parsed.error;
        if (parsed.kind === 'events') seen.push(...parsed.events.map(({ kind, bucket, key }) => `${kind} ${bucket} ${key}`));
      }
      if (seen.some(isLast)) return seen;
    }
    throw new Error(`not among ${MAX_RECEIVES} receives; found ${seen.join(', ') || 'nothing'}`);
  }

  it('hands over an environment that the consumer can read, for the endpoint of the region', () => {
    expect(config).toMatchObject({
      VIDEOS_BUCKET: `s3://${BUCKET}`,
      S3_ENDPOINT_URL: `https://s3.${REGION}.amazonaws.com`,
      S3_REGION: REGION,
      S3_ADDRESSING_STYLE: 'virtual',
    });
    expect(config.MILLRACE_QUEUE_URL).not.toBe(config.MILLRACE_DEAD_LETTER_QUEUE_URL);
  });

  it('denies nothing on the bucket but what comes without TLS', () => {
    expect(bucketPolicy).toMatchObject({
      Statement: [{ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }],
    });
  });

  it(
    'tells the queue what is written and deleted in jobs, and nothing of the state beside them',
    async () => {
      await put('pipelines-state/claims/talk-1/segmentation/0/ab.1', '{}');
      await put('pipelines-not', 'near');
      await put('pipelines/talk-1/inputs/video/über + 1.mp4', 'a video');
      await s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'pipelines/talk-1/inputs/video/über + 1.mp4' }));
      const seen = await eventsUntil((event) => event.startsWith('removed'));
      expect(seen.toSorted()).toEqual([
        `created ${BUCKET} pipelines/talk-1/inputs/video/über + 1.mp4`,
        `removed ${BUCKET} pipelines/talk-1/inputs/video/über + 1.mp4`,
      ]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'keeps a message that fails five times in the dead-letter queue, and longer than the queue would',
    async () => {
      const { MILLRACE_QUEUE_URL: QueueUrl, MILLRACE_DEAD_LETTER_QUEUE_URL: deadLetterUrl } = config;
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'never read' }));
      const receive = async (url: string) => {
        const command = new ReceiveMessageCommand({ QueueUrl: url, VisibilityTimeout: 0 });
        return (await sqs.send(command)).Messages?.map(({ Body }) => Body) ?? [];
      };
      for (let count = 1; count <= MAX_RECEIVE_COUNT; count += 1) expect(await receive(QueueUrl)).toEqual(['never read']);
      expect(await receive(QueueUrl)).toEqual([]);
      expect(await receive(deadLetterUrl)).toEqual(['never read']);
      const retention = async (url: string) => {
        const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['MessageRetentionPeriod'] });
        return Number((await sqs.send(command)).Attributes?.MessageRetentionPeriod);
      };
      expect(await retention(deadLetterUrl)).toBeGreaterThan(await retention(QueueUrl));
    },
    TEST_TIMEOUT_MS,
  );

  it(
    "lets a consumer dispatch a job's work, with no request that its policy would refuse on AWS",
    async () => {
      await using parts = new AsyncDisposableStack();
      const proxy = await startNeedsProxy(open(moto).endpoint, REGION);
      parts.defer(() => proxy.close());
      const dataDir = await mkdtemp(join(tmpdir(), 'millrace-infra-'));
      parts.defer(() => rm(dataDir, { recursive: true, force: true }));
      const runs = collectRuns();
      const log = createLogger({ level: 'silent', name: 'consumer' });
      const endpoint = await startEndpoint({ dataDir, port: 0, apiKey: RUNPOD_KEY, log, onRequest: runs.onRequest });
      parts.defer(() => endpoint.close());
      const throughProxy = (url: string) => url.replace(new URL(url).origin, proxy.endpoint);
      const consumer = await startConsumer(
        readConfig({
          VIDEOS_BUCKET: config.VIDEOS_BUCKET,
          S3_ENDPOINT_URL: proxy.endpoint,
          S3_REGION: config.S3_REGION,
          S3_ADDRESSING_STYLE: 'path',
          AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
          AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
          MILLRACE_QUEUE_URL: throughProxy(config.MILLRACE_QUEUE_URL),
          MILLRACE_DEAD_LETTER_QUEUE_URL: throughProxy(config.MILLRACE_DEAD_LETTER_QUEUE_URL),
          MILLRACE_QUEUE_REGION: REGION,
          MILLRACE_SWEEP_SECONDS: '1',
          RUNPOD_ENDPOINT: endpoint.runUrl,
          RUNPOD_API_KEY: RUNPOD_KEY,
        }),
        log,
      );
      parts.defer(() => consumer.stop());

      await put('pipelines/talk-2/inputs/audio/master.wav', 'a master');
      const segments = [{ start_sec: 0, duration_sec: 2 }];
      await put('pipelines/talk-2/stage/segmentation/segments.json', JSON.stringify(segments));

      const { task, parameters } = await runs.first;
      expect(task).toBe('AUDIO_TRIM');
      const [trim] = parameters.segments;
      expect(trim).toMatchObject({ start_sec: 0, duration_sec: 2, millrace: { job: 'talk-2', stage: 'segmentation' } });

      // What the worker would do, with the consumer's rights.
      await expect(fetch(open(trim).source_uri).then((response) => response.text())).resolves.toBe('a master');
      const headers = open(trim).millrace.output_put_headers;
      const written = await fetch(open(trim).output_put_url, { method: 'PUT', headers, body: 'a segment' });
      expect(written.status).toBe(200);
      const Key = 'pipelines/talk-2/stage/segmentation/audio_segments/segment_0.wav';
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      expect(await Body?.transformToString()).toBe('a segment');

      await sqs.send(new SendMessageCommand({ QueueUrl: config.MILLRACE_QUEUE_URL, MessageBody: 'no notification' }));
      await expect.poll(() => proxy.needs.some(({ action }) => action === 'sqs:SendMessage'), { timeout: 30_000 }).toBe(true);
      await parts.disposeAsync();

      expect(proxy.needs.filter((need) => !allows(policy, need))).toEqual([]);
      const used = new Set(proxy.needs.map(({ action }) => action));
      expect([...used].toSorted()).toEqual([
        ...['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject'],
        ...['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage', 'sqs:SendMessage'],
      ]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'is all right to doctor, which needs nothing that the policy would refuse on AWS',
    async () => {
      const proxy = await startNeedsProxy(open(moto).endpoint, REGION);
      const throughProxy = (url: string) => url.replace(new URL(url).origin, proxy.endpoint);
      const env = {
        ...{ VIDEOS_BUCKET: config.VIDEOS_BUCKET, S3_ENDPOINT_URL: proxy.endpoint, S3_REGION: config.S3_REGION },
        ...{ S3_ADDRESSING_STYLE: 'path', MILLRACE_QUEUE_REGION: REGION },
        ...{ AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId, AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey },
        MILLRACE_QUEUE_URL: throughProxy(config.MILLRACE_QUEUE_URL),
        MILLRACE_DEAD_LETTER_QUEUE_URL: throughProxy(config.MILLRACE_DEAD_LETTER_QUEUE_URL),
      };
      // RunPod is not of Terraform's making.
      const checks = checksOf('deployment').filter(({ name }) => !['environment', 'runpod', 'ffmpeg', 'gpu'].includes(name));
      const log = createLogger({ level: 'silent', name: 'doctor' });
      const findings = await runChecks(checks, examine(env, 'deployment', { log }));
      await proxy.close();
      const outcomes = Object.fromEntries(findings.map(({ check, outcome }) => [check, outcome]));
      expect(outcomes, JSON.stringify(findings, null, 2)).toEqual({
        ...{ clock: 'ok', bucket: 'ok', 'conditional-creation': 'ok', 'presigning-session': 'ok', 'presigned-round-trip': 'ok' },
        ...{ queue: 'ok', 'dead-letter-queue': 'ok', notification: 'ok', webhooks: 'ok', 'work-folder': 'skipped' },
      });
      expect(proxy.needs.filter((need) => !allows(policy, need))).toEqual([]);
      expect(proxy.needs.map(({ action }) => action)).toContain('s3:GetBucketNotification');
    },
    TEST_TIMEOUT_MS,
  );

  it.each([
    { action: 's3:GetObject', resource: `arn:aws:s3:::${BUCKET}/elsewhere/secret` },
    { action: 's3:PutObject', resource: `arn:aws:s3:::${BUCKET}-2/pipelines/talk-1/a` },
    { action: 's3:ListBucket', resource: `arn:aws:s3:::${BUCKET}-2` },
    { action: 's3:PutBucketPolicy', resource: `arn:aws:s3:::${BUCKET}` },
    { action: 'sqs:SendMessage', resource: `arn:aws:sqs:${REGION}:123456789012:millrace` },
    { action: 'sqs:DeleteQueue', resource: `arn:aws:sqs:${REGION}:123456789012:millrace` },
  ])('does not let the consumer $action on $resource', (need) => {
    expect(allows(policy, need)).toBe(false);
  });
});

type Applied = Config & { readonly MILLRACE_QUEUE_URL: string; readonly MILLRACE_DEAD_LETTER_QUEUE_URL: string };
const Environment = z.record(z.string(), z.string());
const applied = (environment: z.infer<typeof Environment>): Applied =>
  requireVariables(readConfig(environment), ['MILLRACE_QUEUE_URL', 'MILLRACE_DEAD_LETTER_QUEUE_URL']);

const PolicyResource = z.object({ address: z.literal('aws_iam_policy.consumer'), values: z.object({ policy: IamPolicy }) });
const State = z.object({ values: z.object({ root_module: z.object({ resources: z.array(z.unknown()) }) }) });

function policyIn(shown: string): IamPolicy {
  const { resources } = State.parse(JSON.parse(shown)).values.root_module;
  const address = z.object({ address: z.string() });
  const found = resources.find((resource) => address.parse(resource).address === 'aws_iam_policy.consumer');
  return PolicyResource.parse(found).values.policy;
}

const Trim = z.looseObject({
  source_uri: z.url(),
  output_put_url: z.url(),
  millrace: z.looseObject({ output_put_headers: z.record(z.string(), z.string()) }),
});
const Run = z.object({ input: z.object({ task: z.string(), parameters: z.object({ segments: z.array(Trim) }) }) });

/** What the endpoint is asked to run: the first of it, as a signal to wait for. */
function collectRuns() {
  const { promise, resolve, reject } = Promise.withResolvers<z.infer<typeof Run>['input']>();
  const onRequest = ({ method, url, body }: { method: string; url: string; body: string }) => {
    if (method !== 'POST' || !url.endsWith('/run')) return undefined;
    const run = Run.safeParse(JSON.parse(body));
    if (run.success) resolve(run.data.input);
    else reject(run.error);
    return undefined;
  };
  return { first: promise, onRequest };
}

function open<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('expected something to be there');
  return value;
}
