/** Cloudflare Queues' HTTP API, with R2's notifications. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import { unwrapBody } from '../../../consumers/dead-letter-note.ts';
import { BUCKET, type DeadLetter, type QueuePeer, type QueueTraits, type TestQueue } from './queue-peer.ts';

export interface CloudflareServer {
  urlOf(name: string): string;
  send(name: string, body: string): Promise<void>;
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

export const TOKEN = 'conformance-token-0123456789';

const BATCH_SIZE = 100;
const LEASE_MS = 60_000;
const BETWEEN_PULLS_MS = 50;

/** Made at the server's start, because it makes none later: so many for each number of receives. */
const QUEUES: readonly (readonly [maxReceives: number, count: number])[] = [
  [1, 1],
  [20, 12],
  [50, 1],
];
const nameOf = (maxReceives: number, index: number) => `events-${maxReceives}-${index}`;
const deadLetterQueueOf = (name: string) => `${name}-dead`;

export const QUEUE_DEFINITIONS = QUEUES.flatMap(([maxReceives, count]) =>
  Array.from({ length: count }, (_, index) => nameOf(maxReceives, index)).flatMap((name) => [
    { name, maxRetries: maxReceives - 1, deadLetterQueue: deadLetterQueueOf(name) },
    { name: deadLetterQueueOf(name) },
  ]),
);

export function createCloudflarePeer(server: CloudflareServer, traits: QueueTraits): QueuePeer {
  const used = new Map<number, number>();
  return {
    traits,
    async newQueue(maxReceives) {
      const index = used.get(maxReceives) ?? 0;
      used.set(maxReceives, index + 1);
      const name = nameOf(maxReceives, index);
      return testQueue(server, name, deadLetterQueueOf(name));
    },
    goAway: server.goAway,
    comeBack: server.comeBack,
    stop: server.stop,
  };
}

function testQueue(server: CloudflareServer, name: string, deadLetterQueue: string): TestQueue {
  const queueUrl = server.urlOf(name);

  /** Bodies, acknowledged. */
  async function take(url: string): Promise<string[]> {
    const client = createCloudflareClient({ queueUrl: url, token: TOKEN });
    const { messages } = await client.pull(BATCH_SIZE, LEASE_MS);
    if (messages.length === 0) return [];
    await client.settle(
      messages.map(({ leaseId }) => leaseId),
      [],
    );
    return messages.map(({ body }) => body);
  }

  return {
    address: { kind: 'cloudflare', queueUrl, token: TOKEN },
    async sendEvents(keys) {
      for (const key of keys) await server.send(name, r2Notification(key));
    },
    async sendTexts(texts) {
      for (const text of texts) await server.send(name, text);
    },
    count: async () => undefined,
    async drain(forMs) {
      const untilMs = performance.now() + forMs;
      const keys: string[] = [];
      while (performance.now() < untilMs) {
        keys.push(...(await take(queueUrl)).map(keyOf));
        await sleep(BETWEEN_PULLS_MS);
      }
      return keys;
    },
    async takeDeadLetters() {
      const letters: DeadLetter[] = [];
      const url = server.urlOf(deadLetterQueue);
      for (let batch = await take(url); batch.length > 0; batch = await take(url)) letters.push(...batch.map(unwrapBody));
      return letters;
    },
  };
}

function r2Notification(key: string): string {
  const object = { key, size: 1, eTag: 'c4ca4238a0b923820dcc509a6f75849b' };
  return JSON.stringify({
    account: 'conformance',
    action: 'PutObject',
    bucket: BUCKET,
    object,
    eventTime: '2026-11-25T12:00:00.000Z',
  });
}

function keyOf(body: string): string {
  return /"key":"([^"]+)"/.exec(body)?.[1] ?? body;
}
