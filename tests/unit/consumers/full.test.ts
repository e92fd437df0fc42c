import { ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { expect, test, vi } from 'vitest';
import type { Outcome } from '../../../consumers/settle.ts';
import { createSqsConsumer, DEFAULT_POLLERS, MAX_HELD_BEFORE_POLL } from '../../../consumers/sqs.ts';
import { silentLogger } from '../../../log.ts';

const BATCH_SIZE = 10;
/** Enough for all pollers to hold more than they may before they ask again. */
const BATCHES = DEFAULT_POLLERS * (MAX_HELD_BEFORE_POLL / BATCH_SIZE + 1);
/** Bounds a hang: the default of a second is over before a busy machine has begun. */
const SLOW_MACHINE = { timeout: 20_000 };

test('a consumer whose every hand has long work says so, and asks for nothing', async ({ onTestFinished }) => {
  let asked = 0;
  const send = async (command: unknown, { abortSignal }: { abortSignal?: AbortSignal } = {}): Promise<unknown> => {
    if (!(command instanceof ReceiveMessageCommand)) return {};
    asked += 1;
    if (asked > BATCHES) await new Promise((resolve) => abortSignal?.addEventListener('abort', resolve));
    const message = (_: unknown, index: number) => ({
      MessageId: `${asked}-${index}`,
      ReceiptHandle: `${asked}-${index}`,
      Body: '',
    });
    return asked > BATCHES ? {} : { Messages: Array.from({ length: BATCH_SIZE }, message) };
  };
  const work = Promise.withResolvers<Outcome>();
  const consumer = createSqsConsumer({
    client: { send } as unknown as SQSClient,
    queueUrl: 'http://127.0.0.1/queue',
    visibilityTimeoutSeconds: 60,
    handle: () => work.promise,
    log: silentLogger,
    stopTimeoutMs: 0,
  });
  expect(consumer.status().full).toBe(false);
  consumer.start();
  onTestFinished(() => consumer.stop());
  await vi.waitFor(() => expect(consumer.status()).toMatchObject({ full: true, inFlight: BATCHES * BATCH_SIZE }), SLOW_MACHINE);
  expect(asked).toBe(BATCHES);
  work.resolve({ kind: 'done' });
  await vi.waitFor(() => expect(consumer.status()).toMatchObject({ full: false, inFlight: 0 }), SLOW_MACHINE);
  await vi.waitFor(() => expect(asked).toBeGreaterThan(BATCHES), SLOW_MACHINE);
});
