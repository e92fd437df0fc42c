import { Registry } from 'prom-client';
import { expect, it, vi } from 'vitest';
import { addConsumerGauges, type ConsumerReadings } from '../../../telemetry/consumer-gauges.ts';
import { metricsPage } from '../../../telemetry/metrics.ts';
import { readMetrics } from '../../integration/telemetry/scrape.ts';

const WELL: ConsumerReadings = {
  consumer: () => ({ running: true, paused: true, lastPollMs: 5_000, failedPolls: 2, inFlight: 3, full: false }),
  isStalled: () => false,
  isBucketReachable: () => true,
  turns: () => ({ running: 4, waiting: 5 }),
  queueDepth: undefined,
};

function gauges(readings: Partial<ConsumerReadings>, now?: () => number) {
  const registry = new Registry();
  addConsumerGauges(registry, { ...WELL, ...readings }, now);
  return async () => readMetrics((await metricsPage(registry)).body);
}

it('read what the consumer is like when they are asked', async () => {
  let isStalled = false;
  const read = gauges({ isStalled: () => isStalled });
  expect((await read()).value('millrace_consumer_stalled')).toBe(0);
  isStalled = true;
  const metrics = await read();
  const names = ['consumer_stalled', 'consumer_paused', 'bucket_reachable', 'messages_held', 'queue_failed_polls'];
  expect(names.map((name) => metrics.value(`millrace_${name}`))).toEqual([1, 1, 1, 3, 2]);
  expect(metrics.value('millrace_queue_last_answer_timestamp_seconds')).toBe(5);
  expect(metrics.value('millrace_queue_messages')).toBeUndefined();
});

it('ask the queue for its depth at most every ten seconds, once for both', async () => {
  let nowMs = 0;
  const queueDepth = vi.fn(async () => ({ ready: 1, inFlight: 2, delayed: 3, deadLetters: 4 }));
  const read = gauges({ queueDepth }, () => nowMs);
  await read();
  const metrics = await read();
  expect(queueDepth).toHaveBeenCalledTimes(1);
  expect(metrics.value('millrace_queue_messages', { state: 'in_flight' })).toBe(2);
  expect(metrics.value('millrace_dead_letter_queue_messages')).toBe(4);
  nowMs = 10_001;
  await read();
  expect(queueDepth).toHaveBeenCalledTimes(2);
});

it('say nothing of a queue that cannot be asked, rather than that it is empty', async () => {
  const refused = gauges({ queueDepth: () => Promise.reject(new Error('no')) });
  const withoutDeadLetters = gauges({ queueDepth: async () => ({ ready: 0, inFlight: 0, delayed: 0, deadLetters: undefined }) });
  expect((await refused()).value('millrace_queue_messages')).toBeUndefined();
  expect((await refused()).value('millrace_dead_letter_queue_messages')).toBeUndefined();
  expect((await withoutDeadLetters()).value('millrace_dead_letter_queue_messages')).toBeUndefined();
});
