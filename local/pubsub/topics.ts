/** The topics and subscriptions that a deployment on Google Cloud has, made in an emulator. */
import { type PubsubClient, statusOf } from '../../consumers/pubsub-client.ts';

export interface LocalTopicsOptions {
  readonly client: PubsubClient;
  /** What the names begin with. */
  readonly name: string;
  readonly ackDeadlineSeconds?: number;
  /** 5 to 100: Pub/Sub's limits. */
  readonly maxDeliveryAttempts?: number;
}

/** Full names: `projects/<project>/topics/<id>`, `projects/<project>/subscriptions/<id>`. */
export interface LocalTopics {
  readonly topic: string;
  readonly subscription: string;
  readonly deadLetterTopic: string;
  readonly deadLetterSubscription: string;
}

const DEFAULT_ACK_DEADLINE_SECONDS = 60;
const DEFAULT_MAX_DELIVERY_ATTEMPTS = 5;
const DAY_SECONDS = 24 * 3600;
const RETENTION_SECONDS = 4 * DAY_SECONDS;
/** Longer than the other's, because somebody has to look at them; the emulator's limit. */
const DEAD_LETTER_RETENTION_SECONDS = 7 * DAY_SECONDS;
const CALL = { timeout: 10_000 };

/** What is there already stays as it is. Everything is gone when the emulator ends: call it after every start. */
export async function createLocalTopics(options: LocalTopicsOptions): Promise<LocalTopics> {
  const { client, name } = options;
  const project = `projects/${client.projectId}`;
  const names: LocalTopics = {
    topic: `${project}/topics/${name}`,
    subscription: `${project}/subscriptions/${name}`,
    deadLetterTopic: `${project}/topics/${name}-dead-letters`,
    deadLetterSubscription: `${project}/subscriptions/${name}-dead-letters`,
  };
  const ackDeadlineSeconds = options.ackDeadlineSeconds ?? DEFAULT_ACK_DEADLINE_SECONDS;
  for (const topic of [names.topic, names.deadLetterTopic]) {
    await unlessThere(() => client.publisher.createTopic({ name: topic }, CALL));
  }
  // First: what is dead-lettered while the topic has no subscription is lost.
  await unlessThere(() =>
    client.subscriber.createSubscription(
      {
        name: names.deadLetterSubscription,
        topic: names.deadLetterTopic,
        ackDeadlineSeconds,
        messageRetentionDuration: { seconds: DEAD_LETTER_RETENTION_SECONDS },
      },
      CALL,
    ),
  );
  await unlessThere(() =>
    client.subscriber.createSubscription(
      {
        name: names.subscription,
        topic: names.topic,
        ackDeadlineSeconds,
        messageRetentionDuration: { seconds: RETENTION_SECONDS },
        deadLetterPolicy: {
          deadLetterTopic: names.deadLetterTopic,
          maxDeliveryAttempts: options.maxDeliveryAttempts ?? DEFAULT_MAX_DELIVERY_ATTEMPTS,
        },
        // No retry policy: with one the emulator forgets messages whose deadline has passed three times.
      },
      CALL,
    ),
  );
  return names;
}

async function unlessThere(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (thrown) {
    if (statusOf(thrown) !== 'ALREADY_EXISTS') throw thrown;
  }
}
