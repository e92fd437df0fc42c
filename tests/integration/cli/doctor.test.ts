import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PutBucketNotificationConfigurationCommand, type QueueConfiguration, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import { runChecks } from '../../../cli/doctor/check.ts';
import { checksOf } from '../../../cli/doctor/checks.ts';
import { examine } from '../../../cli/doctor/examination.ts';
import { LOCAL_BUCKET } from '../../../cli/local-stack.ts';
import { createPubsubClient } from '../../../consumers/pubsub-client.ts';
import { MillraceError } from '../../../errors.ts';
import { startBucket } from '../../../local/bucket/bucket.ts';
import { startCloudflareQueue } from '../../../local/cloudflare-queue/cloudflare-queue.ts';
import type { QueueDefinition } from '../../../local/cloudflare-queue/queues.ts';
import { silentLogger } from '../../../log.ts';
import { recordPeerMissing } from '../../peers/peers.ts';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { millrace } from './millrace.ts';

const Report = z.strictObject({
  ok: z.boolean(),
  checks: z.array(
    z.strictObject({
      check: z.string(),
      outcome: z.enum(['ok', 'wrong', 'skipped']),
      found: z.string().min(1),
      fix: z.string().optional(),
    }),
  ),
});

/** `check: what was found → what mends it`, of everything that is wrong with an environment. */
async function wrongsOf(env: Readonly<Record<string, string>>, only?: string): Promise<string[]> {
  // Of ffmpeg only where it is what the test is about: it takes as long as all the others.
  const isAsked = (name: string) => (only === undefined ? name !== 'ffmpeg' || 'FFMPEG_PATH' in env : name === only);
  const checks = checksOf('deployment').filter(({ name }) => isAsked(name));
  const findings = await runChecks(
    only === undefined ? checks : checks.map((check) => ({ ...check, needs: [] })),
    examine(env, 'deployment', { log: silentLogger }),
  );
  return findings.flatMap((finding) =>
    finding.outcome === 'wrong' ? [`${finding.check}: ${finding.found} → ${finding.fix}`] : [],
  );
}

const OUR_RULE: QueueConfiguration = {
  Id: 'millrace',
  QueueArn: 'arn:aws:sqs:us-east-1:000000000000:millrace',
  Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
  Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'pipelines/' }] } },
};
const prefixed = (Value: string): QueueConfiguration => ({
  ...OUR_RULE,
  Filter: { Key: { FilterRules: [{ Name: 'prefix', Value }] } },
});

/** With the keys of the stack, through the S3 API. */
async function notify({ stack }: TestStack, ...rules: readonly QueueConfiguration[]): Promise<void> {
  const { endpoint, region, accessKeyId, secretAccessKey } = stack.description.bucket;
  const client = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
  const NotificationConfiguration = { QueueConfigurations: [...rules] };
  await client.send(new PutBucketNotificationConfigurationCommand({ Bucket: LOCAL_BUCKET, NotificationConfiguration }));
  client.destroy();
}

describe('doctor, on S3 and SQS', () => {
  let directory: string;
  let stack: TestStack;
  let url: string;
  let deadUrl: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-doctor-'));
    stack = await startTestStack({ workers: 0, consume: false });
    ({ url, deadLetterUrl: deadUrl } = stack.stack.description.queue);
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const setAttributes = (QueueUrl: string, Attributes: Record<string, string>) =>
    stack.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  const redrive = (name: string, maxReceiveCount = 5) => ({
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${name}`, maxReceiveCount }),
  });
  const otherQueue = async (name: string) => (await stack.sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ?? '';

  it('finds a running `millrace dev`, finds all of it right, and leaves nothing behind', async () => {
    const before = { objects: await stack.objects(''), messages: await stack.waitingMessages() };
    const dataDir = dirname(dirname(stack.stack.bucketFolder));
    const { code, stdout } = await millrace(['doctor', '--json'], {
      cwd: directory,
      env: { MILLRACE_DATA: dataDir, MILLRACE_WORK_DIR: join(directory, 'work'), MILLRACE_TASK_DISK_QUOTA_BYTES: '1048576' },
    });
    const { ok, checks } = Report.parse(JSON.parse(stdout));
    expect(checks.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    expect({ code, ok }).toEqual({ code: 0, ok: true });
    expect(checks.map(({ check }) => check)).toEqual(checksOf('dev').map(({ name }) => name));
    expect({ objects: await stack.objects(''), messages: await stack.waitingMessages() }).toEqual(before);
    expect(await stack.waitingMessages(deadUrl)).toBe(0);
  });

  it('prints what is wrong with what mends it, and exits with 1', async () => {
    const env = { ...stack.environment, RUNPOD_API_KEY: 'another-key' };
    const { code, stdout } = await millrace(['doctor'], { cwd: directory, env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ok {7}bucket {16}s3:\/\/videos can be listed/m);
    expect(stdout).toMatch(
      /^wrong {4}runpod {16}endpoint default: RunPod refused the API key \(401\).*\n {31}Check RUNPOD_API_KEY/m,
    );
    expect(stdout).toMatch(/, 1 wrong, \d skipped\n$/);
    expect(stdout).not.toContain('another-key');
  });

  describe('names', () => {
    test('a variable with a value that it does not take, before anything else is asked', async () => {
      const env = { ...stack.environment, MILLRACE_CONCURRENCY: 'many' };
      const { code, stdout } = await millrace(['doctor', '--json'], { cwd: directory, env });
      const { ok, checks } = Report.parse(JSON.parse(stdout));
      expect({ code, ok }).toEqual({ code: 1, ok: false });
      expect(checks[0]).toMatchObject({
        check: 'environment',
        outcome: 'wrong',
        found: expect.stringMatching(/^MILLRACE_CONCURRENCY: expected a whole/),
      });
      expect(new Set(checks.slice(1).map(({ outcome }) => outcome))).toEqual(new Set(['skipped']));
    });

    test.each([
      {
        fault: 'a misspelt variable',
        env: { MILLRACE_QUEUE_REGOIN: 'eu-west-1' },
        wrongs: [/^environment: MILLRACE_QUEUE_REGOIN is set, and no variable of Millrace → Call it MILLRACE_QUEUE_REGION/],
      },
      {
        fault: 'a variable that a consumer does not start without',
        env: { RUNPOD_API_KEY: '' },
        wrongs: [/^environment: RUNPOD_API_KEY is not set → Set it/],
      },
      {
        fault: 'keys that are not those of the bucket',
        env: { HMAC_SECRET: 'wrong' },
        wrongs: [/^bucket: .*\(STORE_FORBIDDEN\) → Check/],
      },
      {
        fault: 'a bucket that is not there',
        env: { VIDEOS_BUCKET: 's3://vidoes' },
        wrongs: [/^bucket: s3:\/\/vidoes: .* → Create the bucket, or correct its name/],
      },
      {
        fault: 'a queue that is not there',
        env: { MILLRACE_QUEUE_URL: 'http://127.0.0.1:PORT/000000000000/milrace' },
        wrongs: [/^queue: there is no queue .*\/milrace \(QUEUE_ERROR\) → /],
      },
      {
        fault: 'one queue in both settings',
        env: { MILLRACE_DEAD_LETTER_QUEUE_URL: 'http://127.0.0.1:PORT/000000000000/millrace' },
        wrongs: [/^environment: MILLRACE_DEAD_LETTER_QUEUE_URL: expected another queue/, /^dead-letter-queue: MILLRACE_DEAD/],
      },
      {
        fault: "an endpoint that is not RunPod's",
        env: { MILLRACE_ENDPOINTS: 'talker=http://127.0.0.1:9/v2/talker' },
        wrongs: [/^runpod: endpoint talker: RunPod could not be asked: .*\(RUN_REFUSED\) → Check MILLRACE_ENDPOINTS \(talker\)/],
      },
      {
        fault: 'a webhook to an address that is not called',
        env: { MILLRACE_WEBHOOK_URL: 'https://10.1.2.3/hook?token=t0p', MILLRACE_WEBHOOK_SECRET: `whsec_${'A'.repeat(44)}` },
        wrongs: [/^webhooks: MILLRACE_WEBHOOK_URL: 10\.1\.2\.3 is refused: it is a private address → .*HTTP_ALLOW_HOSTS/],
      },
      {
        fault: 'an ffmpeg that does not run',
        env: { FFMPEG_PATH: '/dev/null' },
        wrongs: [/^ffmpeg: The ffmpeg .* does not run.* → Correct FFMPEG_PATH/],
      },
      {
        fault: 'a pipeline file that is not there',
        env: { MILLRACE_PIPELINE_FILE: '/none.json' },
        wrongs: [/^environment: MILLRACE_PIPELINE_FILE: /],
      },
    ])('$fault', async ({ env, wrongs }) => {
      const port = new URL(url).port;
      const changed = Object.entries(env).map(([name, value]) => [name, value.replace('PORT', port)] as const);
      const found = await wrongsOf({ ...stack.environment, ...Object.fromEntries(changed) });
      expect(found).toEqual(wrongs.map((wrong) => expect.stringMatching(wrong)));
      expect(found.join()).not.toContain('t0p');
    });

    test.each([
      {
        fault: 'a notification without the slash',
        rules: [prefixed('pipelines')],
        wrong:
          /^notification: the rule millrace has the prefix pipelines, without its slash, and so matches pipelines-state\/ too.* → aws s3api put-bucket-notification-configuration .*"pipelines\/"/,
      },
      { fault: 'a notification for all keys', rules: [prefixed('')], wrong: /^notification: the rule millrace has no prefix/ },
      {
        fault: 'a notification for another folder',
        rules: [prefixed('uploads/')],
        wrong: /no rule tells millrace of all keys under pipelines\//,
      },
      {
        fault: 'a notification that leaves uploads in parts out',
        rules: [
          { ...OUR_RULE, Events: ['s3:ObjectCreated:Put', 's3:ObjectCreated:Copy', 's3:ObjectRemoved:*'] },
        ] satisfies QueueConfiguration[],
        wrong: /millrace is not told of s3:ObjectCreated:CompleteMultipartUpload: such writes set nothing off/,
      },
      {
        fault: 'a notification that leaves deletions out',
        rules: [{ ...OUR_RULE, Events: ['s3:ObjectCreated:*'] }] satisfies QueueConfiguration[],
        wrong: /millrace is not told of s3:ObjectRemoved:Delete: deletions are only noticed/,
      },
      {
        fault: 'a bucket that notifies nobody',
        rules: [],
        wrong: /^notification: the bucket tells millrace nothing → aws s3api/,
      },
      {
        fault: 'a bucket that notifies another queue, whose rule its command keeps',
        rules: [{ ...OUR_RULE, Id: 'theirs', QueueArn: 'arn:aws:sqs:us-east-1:000000000000:millrace-dead-letters' }],
        wrong: /the bucket tells millrace nothing; it tells millrace-dead-letters → .*"Id":"theirs".*"Id":"millrace"/,
      },
    ])('$fault', async ({ rules, wrong }) => {
      await notify(stack, ...rules);
      try {
        expect(await wrongsOf(stack.environment)).toEqual([expect.stringMatching(wrong)]);
      } finally {
        await notify(stack, OUR_RULE);
      }
    });

    test('dead letters that are kept no longer than what is alive', async () => {
      await setAttributes(deadUrl, { MessageRetentionPeriod: '86400' });
      expect(await wrongsOf(stack.environment)).toEqual([
        expect.stringMatching(
          /^dead-letter-queue: millrace-dead-letters keeps messages for 1 day and millrace for 4 days.* → aws sqs set-queue-attributes .*1209600/,
        ),
      ]);
      await setAttributes(deadUrl, { MessageRetentionPeriod: '1209600' });
      expect(await wrongsOf(stack.environment)).toEqual([]);
    });

    test('a queue without a dead-letter queue, one that gives up at once, and one whose dead letters go elsewhere', async () => {
      const elsewhere = await otherQueue('elsewhere');
      await setAttributes(elsewhere, { MessageRetentionPeriod: '1209600' });
      await setAttributes(url, { RedrivePolicy: '' });
      expect(await wrongsOf(stack.environment)).toEqual([
        expect.stringMatching(/^dead-letter-queue: millrace has no redrive policy/),
      ]);
      await setAttributes(url, redrive('elsewhere', 1));
      expect(await wrongsOf(stack.environment)).toEqual([
        expect.stringMatching(
          /MILLRACE_DEAD_LETTER_QUEUE_URL is millrace-dead-letters, but millrace sends its dead letters to elsewhere/,
        ),
        expect.stringMatching(/millrace gives a message up after 1 receives/),
      ]);
      const { MILLRACE_DEAD_LETTER_QUEUE_URL: _, ...without } = stack.environment;
      await setAttributes(url, redrive('elsewhere'));
      expect(await wrongsOf(without), 'the policy itself says which queue it is').toEqual([]);
      await setAttributes(url, redrive('millrace-dead-letters'));
    });

    test('a visibility timeout of nothing', async () => {
      await setAttributes(url, { VisibilityTimeout: '0' });
      expect(await wrongsOf(stack.environment)).toEqual([
        expect.stringMatching(/^queue: the visibility timeout of millrace is 0.* → aws sqs/),
      ]);
      await setAttributes(url, { VisibilityTimeout: '60' });
    });

    test('several faults at once, each by its own name', async () => {
      await notify(stack, prefixed('pipelines'));
      await setAttributes(url, { RedrivePolicy: '' });
      const found = await wrongsOf({ ...stack.environment, RUNPOD_API_KEY: 'wrong', FFMPEG_PATH: '/dev/null' });
      expect(found.map((wrong) => wrong.split(':')[0])).toEqual(['dead-letter-queue', 'notification', 'runpod', 'ffmpeg']);
      await notify(stack, OUR_RULE);
      await setAttributes(url, redrive('millrace-dead-letters'));
    });

    test('a bucket that workers at RunPod cannot reach', async () => {
      const env = { ...stack.environment, RUNPOD_ENDPOINT: 'abc123def456' };
      expect(await wrongsOf(env, 'presigned-round-trip')).toEqual([
        expect.stringMatching(/127\.0\.0\.1:\d+ is loopback: workers at RunPod cannot reach it.* → Give S3_ENDPOINT_URL/),
      ]);
    });

    test('a session that ends before the URLs that it signs', async () => {
      const { HMAC_KEY: _, HMAC_SECRET: __, ...env } = stack.environment;
      const session = { ...env, AWS_SESSION_TOKEN: 'a-session' };
      expect(await wrongsOf(session, 'presigning-session')).toEqual([
        expect.stringMatching(/AWS_SESSION_TOKEN is set: its session ends after 36 hours at the latest.*7 days/),
      ]);
      expect(await wrongsOf({ ...session, MILLRACE_MAX_TTL_SECONDS: '3000' }, 'presigning-session')).toEqual([]);
    });

    test('a clock that goes wrong', async () => {
      const checks = checksOf('deployment').filter(({ name }) => name === 'clock');
      const late = examine(stack.environment, 'deployment', { log: silentLogger, now: () => Date.now() - 600_000 });
      expect(await runChecks(checks, late)).toMatchObject([
        { outcome: 'wrong', found: expect.stringMatching(/^this machine's clock is (59\d|60\d)\.\d s behind the bucket's$/) },
      ]);
    });
  });

  it('says that there is nothing to look at, and how to begin', async () => {
    const { code, stdout } = await millrace(['doctor'], { cwd: directory });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong {4}environment .*no `millrace dev` runs here.*\n +Start `millrace dev`/);
  });

  it('looks at a worker alone with --worker', async () => {
    const env = { MILLRACE_WORK_DIR: join(directory, 'worker'), MILLRACE_TASK_DISK_QUOTA_BYTES: '1099511627776' };
    const { code, stdout } = await millrace(['doctor', '--worker', '--json'], { cwd: directory, env });
    const { checks } = Report.parse(JSON.parse(stdout));
    expect(checks.map(({ check }) => check)).toEqual(['environment', 'ffmpeg', 'gpu', 'work-folder']);
    expect(checks.at(-1)).toMatchObject({ outcome: 'wrong', found: expect.stringContaining('tasks may take 1099.5 GB') });
    expect(code).toBe(1);
  });
});

describe('doctor, on R2 and Cloudflare Queues', () => {
  const TOKEN = 'token-of-a-test';
  const LIVE: QueueDefinition = { name: 'events', maxRetries: 4, deadLetterQueue: 'dead', retentionSeconds: 345_600 };
  const DEAD: QueueDefinition = { name: 'dead', retentionSeconds: 1_209_600 };
  const RULE = { id: 'millrace', prefix: 'pipelines/', suffix: '', events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'] };

  /** A bucket and its queues, as somebody may have set them up. */
  async function deployment(queues: readonly QueueDefinition[], rules = [RULE]) {
    const parts = new AsyncDisposableStack();
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-doctor-'));
    parts.defer(() => rm(dataDir, { recursive: true, force: true }));
    const keys = { accessKeyId: 'key', secretAccessKey: 'secret', region: 'auto' };
    const bucket = await startBucket({
      dataDir: join(dataDir, 'bucket'),
      port: 0,
      ...keys,
      buckets: ['videos'],
      log: silentLogger,
    });
    parts.defer(() => bucket.close());
    const server = await startCloudflareQueue({
      ...{ dataDir: join(dataDir, 'queue'), port: 0, accountId: 'account', token: TOKEN, queues, log: silentLogger },
      notificationsOf: (name) => (name === 'videos' ? rules : []),
    });
    parts.defer(() => server.close());
    const env = {
      ...{ VIDEOS_BUCKET: 's3://videos', S3_ENDPOINT_URL: bucket.endpoint, S3_REGION: 'auto', S3_ADDRESSING_STYLE: 'path' },
      ...{ AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', CLOUDFLARE_API_TOKEN: TOKEN },
      MILLRACE_QUEUE_URL: server.urlOf('events'),
      ...(queues.some(({ name }) => name === 'dead') ? { MILLRACE_DEAD_LETTER_QUEUE_URL: server.urlOf('dead') } : {}),
    };
    return { env, server, [Symbol.asyncDispose]: () => parts.disposeAsync() };
  }

  const CHECKS = ['bucket', 'queue', 'dead-letter-queue', 'notification'];
  async function found(env: Readonly<Record<string, string>>) {
    const checks = checksOf('deployment').filter(({ name }) => CHECKS.includes(name));
    return runChecks(checks, examine(env, 'deployment', { log: silentLogger }));
  }
  async function wrongs(env: Readonly<Record<string, string>>): Promise<string[]> {
    return (await found(env)).flatMap((each) => (each.outcome === 'wrong' ? [`${each.check}: ${each.found} → ${each.fix}`] : []));
  }

  it('finds a running `millrace dev` right', async () => {
    const stack = await startTestStack({ queue: 'cloudflare', workers: 0, consume: false });
    try {
      expect(await wrongsOf(stack.environment)).toEqual([]);
      await notify(stack, prefixed('pipelines'));
      expect(await wrongsOf(stack.environment)).toEqual([
        expect.stringMatching(
          /^notification: the rule [0-9a-f]{32} has the prefix pipelines, without its slash.* → npx wrangler r2 bucket notification delete videos --queue millrace --rule [0-9a-f]{32} && npx wrangler r2 bucket notification create videos .*--prefix pipelines\//,
        ),
      ]);
    } finally {
      await stack.stop();
    }
  });

  test('names a token that Cloudflare refuses', async () => {
    await using there = await deployment([LIVE, DEAD]);
    expect(await wrongs({ ...there.env, CLOUDFLARE_API_TOKEN: 'other' })).toEqual([
      expect.stringMatching(/^queue: .*\(QUEUE_FORBIDDEN\) → Give an API token/),
    ]);
  });

  test('names a queue that nothing can be pulled from', async () => {
    await using there = await deployment([{ ...LIVE, httpPull: false }, DEAD]);
    expect(await wrongs(there.env)).toEqual([
      expect.stringMatching(/^queue: events has no HTTP pull consumer.* → npx wrangler queues consumer http add events/),
      expect.stringMatching(/^dead-letter-queue: events has no HTTP pull consumer, .*--dead-letter-queue dead$/),
    ]);
  });

  test('names a queue that deletes what fails, and one whose dead letters go first', async () => {
    await using without = await deployment([{ name: 'events' }, DEAD]);
    expect(await wrongs(without.env)).toEqual([
      expect.stringMatching(/^dead-letter-queue: events has no dead-letter queue: what was retried too often is deleted/),
    ]);
    await using short = await deployment([LIVE, { ...DEAD, retentionSeconds: 172_800 }]);
    expect(await wrongs(short.env)).toEqual([
      expect.stringMatching(/^dead-letter-queue: dead keeps messages for 2 days, and events for 4 days/),
    ]);
  });

  test('names a bucket that tells nobody, and a delivery that is paused', async () => {
    await using there = await deployment([LIVE, DEAD], []);
    const { MILLRACE_QUEUE_URL: url, CLOUDFLARE_API_TOKEN: token } = there.env;
    await fetch(url, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token}` },
      body: '{"settings":{"delivery_paused":true}}',
    });
    expect(await wrongs(there.env)).toEqual([
      expect.stringMatching(/^queue: the delivery of events is paused → npx wrangler queues resume-delivery events/),
      expect.stringMatching(/^notification: the bucket tells .* nothing → npx wrangler r2 bucket notification create videos/),
    ]);
  });

  test("says so where the queue's token may not see the bucket's notifications", async () => {
    await using there = await deployment([LIVE, DEAD]);
    there.server.failOnDemand({ status: 403, message: 'Authentication error', path: '/event_notifications' });
    expect((await found(there.env)).at(-1)).toMatchObject({
      check: 'notification',
      outcome: 'skipped',
      found: expect.stringContaining('Workers R2 Storage: Read'),
      fix: expect.stringContaining('npx wrangler r2 bucket notification list videos'),
    });
  });
});

test('doctor, on Google Cloud Storage and Pub/Sub, finds a running `millrace dev` right, and names what is not', async () => {
  const stack = await startTestStack({ queue: 'pubsub', workers: 0, consume: false }).catch((thrown: unknown) => {
    if (!(thrown instanceof MillraceError) || thrown.code !== 'EMULATOR_MISSING') throw thrown;
    recordPeerMissing('pubsub-emulator', 'is not installed: doctor is not tried on Pub/Sub');
    return null;
  });
  if (stack === null) return;
  const client = createPubsubClient({ projectId: 'local', emulatorHost: stack.environment.PUBSUB_EMULATOR_HOST ?? '' });
  try {
    expect(stack.planner.store.scheme).toBe('gs');
    expect(await wrongsOf(stack.environment)).toEqual([]);

    await notify(stack, prefixed('pipelines'));
    expect(await wrongsOf(stack.environment)).toEqual([
      expect.stringMatching(
        /^notification: the rule 1 has the prefix pipelines, without its slash.* → gcloud storage buckets notifications delete .*\/1 && gcloud storage buckets notifications create gs:\/\/videos .*--object-prefix=pipelines\//,
      ),
    ]);
    await notify(stack, OUR_RULE);

    const bare = 'projects/local/subscriptions/bare';
    await client.subscriber.createSubscription({
      name: bare,
      topic: 'projects/local/topics/millrace',
      retryPolicy: { minimumBackoff: { seconds: 10 } },
    });
    expect(await wrongsOf({ ...stack.environment, MILLRACE_QUEUE_URL: bare })).toEqual([
      expect.stringMatching(/^queue: bare has a retry policy.* → gcloud pubsub subscriptions update .*--clear-retry-policy/),
      expect.stringMatching(
        /^dead-letter-queue: bare has no dead-letter policy.* → gcloud pubsub .*--dead-letter-topic=projects\/local\/topics\/millrace-dead-letters/,
      ),
    ]);

    const swapped = { MILLRACE_DEAD_LETTER_QUEUE_URL: bare };
    expect(await wrongsOf({ ...stack.environment, ...swapped })).toContainEqual(
      expect.stringMatching(
        /^dead-letter-queue: MILLRACE_DEAD_LETTER_QUEUE_URL is bare, which is on projects\/local\/topics\/millrace, but /,
      ),
    );
    expect(await wrongsOf({ ...stack.environment, MILLRACE_QUEUE_URL: 'projects/local/subscriptions/none' })).toEqual([
      expect.stringMatching(/^queue: .*does not exist/),
    ]);
  } finally {
    await client.close();
    await stack.stop();
  }
});
