/** Publishes letters to the topic that a subscription is of: nothing can be sent to one subscription alone. */
import { MillraceError } from '../../errors.ts';
import { NOTE_ATTRIBUTES } from '../dead-letter-note.ts';
import { publish, readSubscription } from '../pubsub-calls.ts';
import { isTransient, type PubsubClient } from '../pubsub-client.ts';
import { textsOf } from './dead-letter.ts';
import type { LetterSink } from './letter-queue.ts';
import { failure } from './pubsub.ts';

/** Published side by side. */
const MAX_BATCH = 10;
/** What Pub/Sub says in the place of a topic that is gone. */
const DELETED_TOPIC = '_deleted-topic_';

/** Throws CONFIG_INVALID where the subscription or its topic is gone. */
export async function createPubsubSink(client: PubsubClient, subscription: string): Promise<LetterSink> {
  const { topic } = await readSubscription(client, subscription).catch((thrown: unknown) => {
    throw failure(thrown, `to look up the topic of ${subscription}`);
  });
  if (topic === '' || topic === DELETED_TOPIC) {
    throw new MillraceError('CONFIG_INVALID', `The topic of ${subscription} has been deleted: nothing can be sent there.`, {
      fix: 'Set MILLRACE_QUEUE_URL to the subscription that the consumers read.',
    });
  }
  return {
    name: topic,
    maxBatch: MAX_BATCH,
    warnings: [`Letters go to ${topic}: every subscription of it gets them, not only ${subscription}.`],
    async send(letters) {
      const published = letters.map(({ letter, replays }) => {
        const attributes = { ...textsOf(letter.attributes), [NOTE_ATTRIBUTES.replays]: String(replays) };
        return publish(client, topic, { data: letter.body, attributes });
      });
      const outcomes = await Promise.allSettled(published);
      const first = outcomes.find((outcome) => outcome.status === 'rejected');
      // Going on would fail in the same way for every letter there is.
      if (first !== undefined && outcomes.every(isLost)) throw failure(first.reason, `to publish to ${topic}`);
      return outcomes.map((outcome) =>
        outcome.status === 'rejected' ? failure(outcome.reason, `to publish to ${topic}`) : undefined,
      );
    },
  };
}

const isLost = (outcome: PromiseSettledResult<void>): boolean => {
  if (outcome.status === 'fulfilled') return false;
  return isTransient(outcome.reason) || failure(outcome.reason, 'to publish').code === 'CONFIG_INVALID';
};
