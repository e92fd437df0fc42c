/** What the tests of the Pub/Sub consumer stand on: an emulator, topics of its own for each test, a line to it that can be cut. */
import { randomUUID } from 'node:crypto';
import { type TestContext, vi } from 'vitest';
import { createPubsubConsumer, type PubsubConsumerOptions } from '../../../consumers/pubsub.ts';
import { publish } from '../../../consumers/pubsub-calls.ts';
import { createPubsubClient, type PubsubClient } from '../../../consumers/pubsub-client.ts';
import type { HandleMessage, QueueConsumer } from '../../../consumers/queue-message.ts';
import { createLocalTopics, type LocalTopics, type LocalTopicsOptions } from '../../../local/pubsub/topics.ts';
import { silentLogger } from '../../../log.ts';
import { type Line, lineTo } from './outage.ts';

export interface Bench {
  readonly client: PubsubClient;
  readonly topics: LocalTopics;
  /** Makes the topics again, for an emulator that was started again. */
  createTopics(): Promise<LocalTopics>;
  /** The consumer's way to the emulator; what the bench itself does goes past it. */
  readonly line: Line;
  send(texts: readonly string[], attributes?: Readonly<Record<string, string>>): Promise<void>;
  /** Started; stopped when the test ends. */
  consume(handle: HandleMessage, more?: Partial<PubsubConsumerOptions>): QueueConsumer;
  /** The next dead letter, acknowledged. */
  deadLetter(): Promise<{ readonly text: string; readonly attributes: Readonly<Record<string, string>> } | undefined>;
}

export const ACK_DEADLINE_SECONDS = 10;

export const until = <T>(assertion: () => T | Promise<T>, timeout = 30_000): Promise<T> =>
  vi.waitFor(assertion, { timeout, interval: 25 });

export async function createBench(
  host: string,
  /** The test's own: what vitest exports belongs to whichever of the tests beside it began last. */
  onTestFinished: TestContext['onTestFinished'],
  topicOptions: Partial<LocalTopicsOptions> = {},
): Promise<Bench> {
  const line = await lineTo(`http://${host}`);
  const client = createPubsubClient({ projectId: 'millrace-test', emulatorHost: host });
  const ownClient = createPubsubClient({ projectId: 'millrace-test', emulatorHost: line.endpoint.replace('http://', '') });
  const running: QueueConsumer[] = [];
  onTestFinished(async () => {
    line.mend();
    await Promise.all(running.map((consumer) => consumer.stop()));
    await Promise.all([client.close(), ownClient.close()]);
    line.close();
  });
  const name = `test-${randomUUID()}`;
  const createTopics = () => createLocalTopics({ client, name, ackDeadlineSeconds: ACK_DEADLINE_SECONDS, ...topicOptions });
  const topics = await createTopics();
  return {
    client,
    topics,
    createTopics,
    line,
    async send(texts, attributes = {}) {
      await Promise.all(texts.map((text) => publish(client, topics.topic, { data: text, attributes })));
    },
    consume(handle, more = {}) {
      const consumer = createPubsubConsumer({
        client: ownClient,
        subscription: topics.subscription,
        deadLetterSubscription: topics.deadLetterSubscription,
        ackDeadlineSeconds: ACK_DEADLINE_SECONDS,
        firstPauseMs: 50,
        maxPauseMs: 200,
        stopTimeoutMs: 10_000,
        log: silentLogger,
        handle,
        ...more,
      });
      running.push(consumer);
      consumer.start();
      return consumer;
    },
    async deadLetter() {
      const subscription = topics.deadLetterSubscription;
      const [{ receivedMessages }] = await client.subscriber.pull(
        { subscription, maxMessages: 1, returnImmediately: true },
        { timeout: 5_000 },
      );
      const [received] = receivedMessages ?? [];
      if (received?.ackId === undefined || received.ackId === null) return undefined;
      await client.subscriber.acknowledge({ subscription, ackIds: [received.ackId] });
      return { text: Buffer.from(received.message?.data ?? '').toString(), attributes: received.message?.attributes ?? {} };
    },
  };
}
