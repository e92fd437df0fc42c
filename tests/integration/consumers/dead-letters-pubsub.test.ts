import { randomUUID } from 'node:crypto';
import { afterAll, describe } from 'vitest';
import { createPubsubClient, type PubsubClient, statusOf } from '../../../consumers/pubsub-client.ts';
import { createLocalTopics } from '../../../local/pubsub/topics.ts';
import { startPubsubPeer } from '../../peers/pubsub-emulator.ts';
import { type ArrivedLetter, describeDeadLetters, type LetterPeer } from './dead-letters-suite.ts';

const emulator = await startPubsubPeer();
afterAll(() => emulator?.stop());
const host = emulator?.host ?? '';

async function freshTopics(client: PubsubClient): Promise<LetterPeer> {
  const names = await createLocalTopics({ client, name: `letters-${randomUUID()}` });
  return {
    env: {
      PUBSUB_EMULATOR_HOST: host,
      MILLRACE_QUEUE_URL: names.subscription,
      MILLRACE_DEAD_LETTER_QUEUE_URL: names.deadLetterSubscription,
    },
    async putDead(letters) {
      const messages = letters.map(({ body, attributes }) => ({ data: Buffer.from(body), attributes: { ...attributes } }));
      await client.publisher.publish({ topic: names.deadLetterTopic, messages });
    },
    arrived: () => pullAll(client, names.subscription, 'acknowledge'),
    dead: () => pullAll(client, names.deadLetterSubscription, 'give back'),
  };
}

const QUIET_MS = 1_500;

async function pullAll({ subscriber }: PubsubClient, subscription: string, then: 'acknowledge' | 'give back') {
  const all: ArrivedLetter[] = [];
  const handles: string[] = [];
  for (;;) {
    const pulled = await subscriber
      .pull({ subscription, maxMessages: 100 }, { timeout: QUIET_MS, retry: null })
      .then(([{ receivedMessages }]) => receivedMessages ?? [])
      .catch((thrown: unknown) => {
        if (statusOf(thrown) === 'DEADLINE_EXCEEDED') return [];
        throw thrown;
      });
    if (pulled.length === 0) break;
    for (const { ackId, message } of pulled) {
      handles.push(ackId ?? '');
      const body = Buffer.from(message?.data ?? []).toString('utf8');
      all.push({ body, attributes: { ...message?.attributes }, sentAtMs: Number(message?.publishTime?.seconds) * 1000 });
    }
  }
  if (handles.length === 0) return all;
  if (then === 'acknowledge') await subscriber.acknowledge({ subscription, ackIds: handles });
  else await subscriber.modifyAckDeadline({ subscription, ackIds: handles, ackDeadlineSeconds: 0 });
  return all;
}

describe.skipIf(emulator === null)('with the emulator', () => {
  describeDeadLetters('Pub/Sub', async () => {
    const client = createPubsubClient({ projectId: 'millrace-test', emulatorHost: host });
    return { fresh: () => freshTopics(client), stop: () => client.close() };
  });
});
