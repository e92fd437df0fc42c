/** S3's notification configuration of the bucket. What goes through SNS or EventBridge is not seen to its end from here, and that is said. */
import { GetBucketNotificationConfigurationCommand, type S3Client } from '@aws-sdk/client-s3';
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { createS3Client } from '../../storage/s3-client.ts';
import { storeError, storeFailure } from '../../storage/s3-errors.ts';
import { bucketCredentials } from '../deployment.ts';
import { sqsClient } from '../queue-clients.ts';
import type { Examination } from './examination.ts';
import { type Finding, ok, skipped } from './finding.ts';
import { judgeRules, type NotificationRule, type WantedNotifications } from './notification-rules.ts';

const CREATED = ['s3:ObjectCreated:Put', 's3:ObjectCreated:Copy', 's3:ObjectCreated:CompleteMultipartUpload'];
const REMOVED = ['s3:ObjectRemoved:Delete'];
const ALL = ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'];
const TRIES = 2;

const FilterRule = z.object({ Name: z.string().default(''), Value: z.string().default('') });
const Rule = z.looseObject({
  Id: z.string().default('(without an id)'),
  Events: z.array(z.string()).default([]),
  Filter: z.object({ Key: z.object({ FilterRules: z.array(FilterRule).default([]) }).default({ FilterRules: [] }) }).optional(),
});
const Configuration = z.object({
  QueueConfigurations: z.array(Rule.extend({ QueueArn: z.string() })).default([]),
  TopicConfigurations: z.array(Rule.extend({ TopicArn: z.string() })).default([]),
  LambdaFunctionConfigurations: z.array(Rule).default([]),
  EventBridgeConfiguration: z.unknown().optional(),
});
type Configuration = z.infer<typeof Configuration>;

export async function s3Notification(
  examination: Examination,
  queueUrl: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { config, store } = examination;
  const arn = await arnOf(config, queueUrl, signal);
  const credentials = bucketCredentials(config);
  const client = createS3Client({
    ...{
      endpoint: config.S3_ENDPOINT_URL,
      region: config.S3_REGION,
      addressingStyle: config.S3_ADDRESSING_STYLE,
      maxAttempts: TRIES,
    },
    ...(credentials === undefined ? {} : { credentials }),
  });
  try {
    const configuration = await read(client, store.bucket, signal);
    return 'outcome' in configuration ? [configuration] : judge(examination, configuration, arn);
  } finally {
    client.destroy();
  }
}

async function arnOf(config: Examination['config'], queueUrl: string, signal: AbortSignal): Promise<string> {
  const client = await sqsClient(config, queueUrl);
  try {
    const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['QueueArn'] });
    return (await client.send(command, { abortSignal: signal })).Attributes?.QueueArn ?? '';
  } finally {
    client.destroy();
  }
}

async function read(client: S3Client, bucket: string, signal: AbortSignal): Promise<Configuration | Finding> {
  try {
    const answer = await client.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }), { abortSignal: signal });
    return Configuration.parse(answer);
  } catch (thrown) {
    const { status } = storeFailure(thrown);
    const look = `aws s3api get-bucket-notification-configuration --bucket ${bucket}`;
    if (status === 403)
      return skipped(
        'these keys may not read the notification configuration (s3:GetBucketNotification)',
        `With keys that may: ${look}`,
      );
    if (status === 501 || status === 405)
      return skipped('this store does not show its notification configuration', "Look at the store's own settings.");
    throw storeError(thrown, { scheme: 's3', bucket, method: 'GetBucketNotificationConfiguration', key: '', signal });
  }
}

function judge(examination: Examination, configuration: Configuration, arn: string): readonly Finding[] {
  const { QueueConfigurations: queues, TopicConfigurations: topics, EventBridgeConfiguration: eventBridge } = configuration;
  const wanted = wantedOf(examination, configuration, arn);
  const name = arn.split(':').at(-1) ?? arn;
  const ours = queues.filter(({ QueueArn }) => QueueArn === arn).map(ruleOf);
  if (ours.length > 0) {
    const wrongs = judgeRules(ours, wanted, name);
    const prefix = `${wanted.pipelinesPrefix}/`;
    return wrongs.length > 0
      ? wrongs
      : [ok(`the bucket tells ${name} of what is created and removed under ${prefix}, and of nothing else`)];
  }
  for (const topicArn of new Set(topics.map(({ TopicArn }) => TopicArn))) {
    const wrongs = judgeRules(topics.filter(({ TopicArn }) => TopicArn === topicArn).map(ruleOf), wanted, topicArn);
    if (wrongs.length > 0) return wrongs;
    const found = `the bucket tells the SNS topic ${topicArn}, rightly; whether that one tells ${name} cannot be followed from here`;
    return [skipped(found, `Look for ${arn} in: aws sns list-subscriptions-by-topic --topic-arn ${topicArn}`)];
  }
  if (eventBridge !== undefined) {
    const found = `the bucket tells EventBridge; which rule tells ${name} of what cannot be followed from here`;
    return [
      skipped(
        found,
        `Look at the rules (and at their prefix, ${wanted.pipelinesPrefix}/): aws events list-rule-names-by-target --target-arn ${arn}`,
      ),
    ];
  }
  const foreign = queues.find(({ QueueArn }) => !QueueArn.startsWith('arn:aws'));
  if (foreign !== undefined) {
    return [
      skipped(
        `the bucket tells ${foreign.QueueArn}, a target of this store's own, which cannot be followed from here`,
        "Look at the store's own settings.",
      ),
    ];
  }
  const elsewhere = queues.map(({ QueueArn }) => QueueArn.split(':').at(-1)).join(', ');
  const wrongs = judgeRules([], wanted, name);
  return elsewhere === '' ? wrongs : wrongs.map((each) => ({ ...each, found: `${each.found}; it tells ${elsewhere}` }));
}

function ruleOf({ Id, Events, Filter }: z.infer<typeof Rule>): NotificationRule {
  const ruleValue = (name: string) => Filter?.Key.FilterRules.find((rule) => rule.Name.toLowerCase() === name)?.Value ?? '';
  const told = [...CREATED, ...REMOVED].filter((event) => Events.some((each) => covers(each, event)));
  return { id: Id, prefix: ruleValue('prefix'), suffix: ruleValue('suffix'), events: new Set(told) };
}

const covers = (configured: string, event: string): boolean =>
  configured === event || (configured.endsWith('*') && event.startsWith(configured.slice(0, -1)));

/** The whole configuration, because S3 takes nothing less: ours made right, and everybody else's as it is. */
function wantedOf({ config, store }: Examination, configuration: Configuration, arn: string): WantedNotifications {
  const { MILLRACE_PIPELINES_PREFIX: pipelinesPrefix, MILLRACE_STATE_PREFIX: statePrefix } = config;
  const right = {
    Id: 'millrace',
    QueueArn: arn,
    Events: ALL,
    Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: `${pipelinesPrefix}/` }] } },
  };
  const others = configuration.QueueConfigurations.filter(({ QueueArn, Id }) => QueueArn !== arn && Id !== right.Id);
  const whole = {
    QueueConfigurations: [...others, right],
    ...(configuration.TopicConfigurations.length === 0 ? {} : { TopicConfigurations: configuration.TopicConfigurations }),
    ...(configuration.LambdaFunctionConfigurations.length === 0
      ? {}
      : { LambdaFunctionConfigurations: configuration.LambdaFunctionConfigurations }),
    ...(configuration.EventBridgeConfiguration === undefined ? {} : { EventBridgeConfiguration: {} }),
  };
  const endpoint = /\.amazonaws\.com(\.cn)?$/.test(new URL(config.S3_ENDPOINT_URL).hostname)
    ? ''
    : ` --endpoint-url ${config.S3_ENDPOINT_URL}`;
  const command = `aws s3api put-bucket-notification-configuration${endpoint} --bucket ${store.bucket} --notification-configuration '${JSON.stringify(whole)}'`;
  return { pipelinesPrefix, statePrefix, created: CREATED, removed: REMOVED, fix: () => command };
}
