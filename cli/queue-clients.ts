/** Clients of the three queues, from the environment. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { type Config, requireVariables } from '../config.ts';
import { type CloudflareClient, createCloudflareClient } from '../consumers/cloudflare-client.ts';
import { createPubsubClient, type PubsubClient } from '../consumers/pubsub-client.ts';
import { createSqsClient } from '../consumers/sqs-client.ts';
import { awsCredentials } from './deployment.ts';

export function sqsClient(config: Config, queueUrl: string): SQSClient {
  const credentials = awsCredentials(config);
  return createSqsClient({
    endpoint: new URL(queueUrl).origin,
    region: config.MILLRACE_QUEUE_REGION ?? regionOf(queueUrl),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

/** `https://sqs.eu-west-1.amazonaws.com/…` says its region; another server takes any. */
function regionOf(queueUrl: string): string {
  return /^https?:\/\/sqs\.([a-z0-9-]+)\.amazonaws\./.exec(queueUrl)?.[1] ?? 'us-east-1';
}

/** Throws CONFIG_INVALID without CLOUDFLARE_API_TOKEN. */
export function cloudflareClient(config: Config, queueUrl: string): CloudflareClient {
  const { CLOUDFLARE_API_TOKEN: token } = requireVariables(config, ['CLOUDFLARE_API_TOKEN']);
  return createCloudflareClient({ queueUrl, token });
}

export function pubsubClient({ PUBSUB_EMULATOR_HOST: emulatorHost }: Config, projectId: string): PubsubClient {
  return createPubsubClient({ projectId, ...(emulatorHost === undefined ? {} : { emulatorHost }) });
}
