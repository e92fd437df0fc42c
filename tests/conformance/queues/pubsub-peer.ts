/** Pub/Sub, with Cloud Storage's notifications. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { publish } from '../../../consumers/pubsub-calls.ts';
import { createPubsubClient, type PubsubClient } from '../../../consumers/pubsub-client.ts';
import { createLocalTopics, type LocalTopics } from '../../../local/pubsub/topics.ts';
import { BUCKET, type DeadLetter, type QueuePeer, type QueueTraits, type TestQueue } from './queue-peer.ts';

export interface PubsubServer {
  /** `host:port` for the consumer. */
  readonly host: string;
  /** The same for the suite; may be another way to the same server. */
  readonly directHost: string;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

const PROJECT_ID = 'millrace-conformance';
const MAX_MESSAGES = 100;
const CALL = { timeout: 10_000 };
const BETWEEN_PULLS_MS = 50;
/** The emulator sometimes answers a pull with nothing although there is something. */
const EMPTY_PULLS = 3;

export function createPubsubPeer(server: PubsubServer, traits: QueueTraits): QueuePeer {
  const client = createPubsubClient({ projectId: PROJECT_ID, emulatorHost: server.directHost });
  return {
    traits,
    async newQueue(maxReceives) {
      const topics = await createLocalTopics({
        client,
        name: `events-${randomUUID()}`,
        ackDeadlineSeconds: traits.leaseSeconds,
        maxDeliveryAttempts: maxReceives,
      });
      return testQueue(client, server.host, topics);
    },
    goAway: server.goAway,
    comeBack: server.comeBack,
    async stop() {
      await client.close();
      await server.stop();
    },
  };
}

interface Pulled {
  readonly text: string;
  readonly attributes: Readonly<Record<string, string>>;
}

function testQueue(client: PubsubClient, emulatorHost: string, topics: LocalTopics): TestQueue {
  /** Acknowledged. */
  async function take(subscription: string): Promise<Pulled[]> {
    const request = { subscription, maxMessages: MAX_MESSAGES, returnImmediately: true };
    const [{ receivedMessages }] = await client.subscriber.pull(request, CALL);
    const messages = receivedMessages ?? [];
    if (messages.length === 0) return [];
    await client.subscriber.acknowledge({ subscription, ackIds: messages.map(({ ackId }) => ackId ?? '') }, CALL);
    return messages.map(({ message }) => ({
      text: Buffer.from(message?.data ?? '').toString(),
      attributes: message?.attributes ?? {},
    }));
  }

  return {
    address: { kind: 'pubsub', projectId: PROJECT_ID, emulatorHost, subscription: topics.subscription },
    async sendEvents(keys) {
      await Promise.all(keys.map((key) => publish(client, topics.topic, { data: '', attributes: gcsAttributes(key) })));
    },
    async sendTexts(texts) {
      await Promise.all(texts.map((text) => publish(client, topics.topic, { data: text, attributes: {} })));
    },
    count: async () => undefined,
    async drain(forMs) {
      const untilMs = performance.now() + forMs;
      const keys: string[] = [];
      while (performance.now() < untilMs) {
        keys.push(...(await take(topics.subscription)).map(({ text, attributes }) => attributes.objectId ?? text));
        await sleep(BETWEEN_PULLS_MS);
      }
      return keys;
    },
    async takeDeadLetters() {
      const letters: DeadLetter[] = [];
      for (let empty = 0; empty < EMPTY_PULLS; ) {
        const batch = await take(topics.deadLetterSubscription);
        empty = batch.length === 0 ? empty + 1 : 0;
        letters.push(...batch.map(({ text, attributes }) => ({ body: text, attributes })));
      }
      return letters;
    },
  };
}

function gcsAttributes(objectId: string): Record<string, string> {
  return {
    notificationConfig: `projects/_/buckets/${BUCKET}/notificationConfigs/1`,
    eventType: 'OBJECT_FINALIZE',
    payloadFormat: 'NONE',
    bucketId: BUCKET,
    objectId,
    objectGeneration: '1764072000000000',
    eventTime: '2026-11-25T12:00:00.000000Z',
  };
}
