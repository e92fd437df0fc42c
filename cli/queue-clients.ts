/** Clients of the three queues, from the environment. Each kind is loaded only where it is used: together they take half a second. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { type Config, requireVariables } from '../config.ts';
import type { CloudflareClient } from '../consumers/cloudflare-client.ts';
import type { PubsubClient } from '../consumers/pubsub-client.ts';
import { awsCredentials } from './deployment.ts';

export async function sqsClient(config: Config, queueUrl: string): Promise<SQSClient> {
  const { createSqsClient } = await import('../consumers/sqs-client.ts');
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
export async function cloudflareClient(config: Config, queueUrl: string): Promise<CloudflareClient> {
  const { CLOUDFLARE_API_TOKEN: token } = requireVariables(config, ['CLOUDFLARE_API_TOKEN']);
  const { createCloudflareClient } = await import('../consumers/cloudflare-client.ts');
  return createCloudflareClient({ queueUrl, token });
}

export async function pubsubClient({ PUBSUB_EMULATOR_HOST: emulatorHost }: Config, projectId: string): Promise<PubsubClient> {
  const { createPubsubClient } = await import('../consumers/pubsub-client.ts');
  return createPubsubClient({ projectId, ...(emulatorHost === undefined ? {} : { emulatorHost }) });
}
