/** Pub/Sub: the subscription, its dead-letter policy, and the subscription on the dead-letter topic. */
import { readSubscription, type SubscriptionFacts } from '../../consumers/pubsub-calls.ts';
import { type PubsubClient, pubsubError } from '../../consumers/pubsub-client.ts';
import { asMillraceError } from '../../errors.ts';
import type { QueueAddress } from '../queue-address.ts';
import { pubsubClient } from '../queue-clients.ts';
import { duration, type Examination } from './examination.ts';
import { allOr, type Finding, ok, wrong } from './finding.ts';

type Subscription = Extract<QueueAddress, { kind: 'pubsub' }>;

const GOOD_ATTEMPTS = 5;
/** What Pub/Sub says a subscription is on once its topic has been deleted. */
const DELETED_TOPIC = '_deleted-topic_';

export async function pubsubQueue({ config }: Examination, address: Subscription): Promise<readonly Finding[]> {
  return withClient(config, address, async (client) => {
    const { topic, retryDelay, expires } = await read(client, address.subscription);
    const name = nameOf(address.subscription);
    const findings = [ok(`${name} can be looked at; it is on ${topic}`)];
    if (topic === DELETED_TOPIC)
      findings.push(
        wrong(
          `the topic of ${name} has been deleted: nothing will arrive`,
          'Make the topic and the subscription anew (infra/gcp).',
        ),
      );
    if (retryDelay) {
      const found = `${name} has a retry policy: its backoff comes on top of the consumer's own, and failed events wait twice`;
      findings.push(wrong(found, `gcloud pubsub subscriptions update ${address.subscription} --clear-retry-policy`));
    }
    if (expires) {
      const found = `${name} expires: Pub/Sub deletes it when no consumer has run for a while`;
      findings.push(wrong(found, `gcloud pubsub subscriptions update ${address.subscription} --expiration-period=never`));
    }
    return findings;
  });
}

/** `named` is the one that the settings name, if they do. */
export async function pubsubDeadLetters(
  { config }: Examination,
  address: Subscription,
  named: Subscription | undefined,
): Promise<readonly Finding[]> {
  return withClient(config, address, async (client) => {
    const queue = await read(client, address.subscription);
    const name = nameOf(address.subscription);
    const dead = named === undefined ? undefined : await readDead(config, named);
    if (dead !== undefined && 'outcome' in dead) return [dead];
    if (queue.deadLetterTopic === undefined) {
      const topic = dead?.topic ?? '<dead-letter topic>';
      const fix = `gcloud pubsub subscriptions update ${address.subscription} --dead-letter-topic=${topic} --max-delivery-attempts=${GOOD_ATTEMPTS}`;
      return [
        wrong(
          `${name} has no dead-letter policy: a message that always fails is delivered until it expires, and is lost then`,
          fix,
        ),
      ];
    }
    if (dead === undefined || named === undefined) {
      const found = `the dead letters of ${name} go to ${queue.deadLetterTopic}, and the settings name no subscription on it: what nobody subscribes to is lost`;
      return [
        wrong(found, 'Set MILLRACE_DEAD_LETTER_QUEUE_URL to the subscription on that topic: gcloud pubsub subscriptions list'),
      ];
    }
    const deadName = nameOf(named.subscription);
    return allOr(
      [
        dead.topic === queue.deadLetterTopic
          ? undefined
          : wrong(
              `MILLRACE_DEAD_LETTER_QUEUE_URL is ${deadName}, which is on ${dead.topic}, but ${name} sends its dead letters to ${queue.deadLetterTopic}`,
              'Set MILLRACE_DEAD_LETTER_QUEUE_URL to the subscription on that topic: gcloud pubsub subscriptions list',
            ),
        dead.retentionSeconds > queue.retentionSeconds
          ? undefined
          : wrong(
              `${deadName} keeps messages for ${duration(dead.retentionSeconds)}, and ${name} for ${duration(queue.retentionSeconds)}: give those that somebody has to look at the longer time`,
              `gcloud pubsub subscriptions update ${named.subscription} --message-retention-duration=14d`,
            ),
        dead.expires
          ? wrong(
              `${deadName} expires: Pub/Sub deletes it when nobody has looked for a while, and then dead letters are lost`,
              `gcloud pubsub subscriptions update ${named.subscription} --expiration-period=never`,
            )
          : undefined,
      ],
      `${name} gives up after ${queue.maxDeliveryAttempts ?? GOOD_ATTEMPTS} deliveries, and ${deadName} keeps what it gave up for ${duration(dead.retentionSeconds)}`,
    );
  });
}

async function withClient<T>(
  config: Examination['config'],
  { project }: Subscription,
  work: (client: PubsubClient) => Promise<T>,
) {
  const client = await pubsubClient(config, project);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function read(client: PubsubClient, subscription: string): Promise<SubscriptionFacts> {
  try {
    return await readSubscription(client, subscription);
  } catch (thrown) {
    throw pubsubError(thrown, `to show ${subscription}`);
  }
}

async function readDead(config: Examination['config'], address: Subscription): Promise<SubscriptionFacts | Finding> {
  try {
    return await withClient(config, address, (client) => read(client, address.subscription));
  } catch (thrown) {
    const { message, fix } = asMillraceError(thrown);
    return wrong(
      `the dead letters' subscription cannot be looked at: ${message}`,
      fix ?? 'Check MILLRACE_DEAD_LETTER_QUEUE_URL.',
    );
  }
}

const nameOf = (subscription: string): string => subscription.split('/').at(-1) ?? subscription;
