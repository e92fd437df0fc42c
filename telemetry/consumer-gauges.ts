/** What a consumer is like at the moment it is asked: gauges that read when Prometheus does. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';
import type { ConsumerStatus } from '../consumers/queue-message.ts';
import type { QueueDepth } from '../consumers/sqs-depth.ts';

export interface ConsumerReadings {
  readonly consumer: () => ConsumerStatus;
  readonly isStalled: () => boolean;
  readonly isBucketReachable: () => boolean;
  readonly turns: () => { readonly running: number; readonly waiting: number };
  /** Undefined for a queue that does not tell. */
  readonly queueDepth: (() => Promise<QueueDepth>) | undefined;
}

/** Whoever scrapes every second must not ask the queue as often. */
const DEPTH_KEPT_MS = 10_000;
const DEPTH_TIMEOUT_MS = 3_000;

export function addConsumerGauges(registry: Registry, readings: ConsumerReadings, now: () => number = Date.now): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('millrace_consumer_stalled', '1 while the queue should answer and does not: what /healthz says.', () =>
    Number(readings.isStalled()),
  );
  gauge('millrace_consumer_paused', '1 while nothing is received on purpose: the bucket cannot be used.', () =>
    Number(readings.consumer().paused),
  );
  gauge('millrace_bucket_reachable', '0 from the first failure of the bucket until a probe succeeds.', () =>
    Number(readings.isBucketReachable()),
  );
  gauge('millrace_messages_held', 'Messages received and not settled yet.', () => readings.consumer().inFlight);
  gauge('millrace_queue_failed_polls', 'Polls in a row that failed.', () => readings.consumer().failedPolls);
  gauge('millrace_queue_last_answer_timestamp_seconds', 'When the queue last answered.', () => {
    const { lastPollMs } = readings.consumer();
    return (lastPollMs ?? 0) / 1000;
  });
  gauge('millrace_reconciles_running', 'Jobs that are looked at.', () => readings.turns().running);
  gauge('millrace_reconciles_waiting', 'Jobs that wait for their turn to be looked at.', () => readings.turns().waiting);
  const { queueDepth } = readings;
  if (queueDepth !== undefined) addDepthGauges(registry, remembered(queueDepth, now));
}

function addDepthGauges(registry: Registry, read: () => Promise<QueueDepth | undefined>): void {
  new Gauge({
    name: 'millrace_queue_messages',
    help: 'About how many messages the queue holds, by state. SQS alone tells; nothing where it cannot be asked.',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      this.reset();
      const depth = await read();
      if (depth === undefined) return;
      this.set({ state: 'ready' }, depth.ready);
      this.set({ state: 'in_flight' }, depth.inFlight);
      this.set({ state: 'delayed' }, depth.delayed);
    },
  });
  new Gauge({
    name: 'millrace_dead_letter_queue_messages',
    help: 'About how many messages the dead-letter queue holds. SQS alone tells; nothing where the settings name none.',
    registers: [registry],
    async collect() {
      this.remove();
      const depth = await read();
      if (depth?.deadLetters !== undefined) this.set(depth.deadLetters);
    },
  });
}

/** Never rejects, and never keeps a scrape waiting for long. */
function remembered(read: () => Promise<QueueDepth>, now: () => number): () => Promise<QueueDepth | undefined> {
  let known: { readonly atMs: number; readonly depth: Promise<QueueDepth | undefined> } | undefined;
  return () => {
    if (known === undefined || now() - known.atMs > DEPTH_KEPT_MS) {
      const late = sleep(DEPTH_TIMEOUT_MS, undefined, { ref: false });
      known = { atMs: now(), depth: Promise.race([read().catch(() => undefined), late]) };
    }
    return known.depth;
  };
}
