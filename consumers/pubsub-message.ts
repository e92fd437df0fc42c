/** One received Pub/Sub message, and its end on the subscription. */
import { asMillraceError, type MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createNote, noteAttributes, readReplays } from './dead-letter-note.ts';
import { acknowledge, modifyAckDeadline, publish } from './pubsub-calls.ts';
import { type PubsubClient, pubsubError } from './pubsub-client.ts';
import type { Lease } from './pubsub-lease.ts';
import type { ReceivedMessage } from './pubsub-stream.ts';
import type { HandleMessage } from './queue-message.ts';
import { type Outcome, retryDelaySeconds } from './settle.ts';

export interface PubsubQueue {
  readonly client: PubsubClient;
  readonly subscription: string;
  /** Without one, or where publishing fails, a message nobody can read is left for the subscription's own dead-letter policy. */
  readonly deadLetterTopic: string | undefined;
  /** Undefined without a dead-letter policy. */
  readonly maxDeliveryAttempts: number | undefined;
  readonly log: Logger;
  readonly onDeadLetter?: ((error: MillraceError) => void) | undefined;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

export interface PubsubDelivery {
  readonly message: ReceivedMessage;
  readonly lease: Lease;
  /** This time included. */
  readonly receiveCount: number;
}

export type Settled =
  | 'acknowledged'
  /** Hidden for a while, and still counted by the service against its stream. */
  | 'delayed'
  /** Given back, lost, or not settled: it comes again by itself. */
  | 'left';

/** Pub/Sub's limit. What is to wait longer comes back after this. */
const MAX_DELAY_SECONDS = 600;

/** Handles and settles one message. Never throws. `stop` ends the work and gives the message back. */
export async function settlePubsubMessage(
  queue: PubsubQueue,
  delivery: PubsubDelivery,
  handle: HandleMessage,
  stop: AbortSignal,
): Promise<Settled> {
  const { message, lease, receiveCount } = delivery;
  const { id, attributes } = message;
  const log = queue.log.child({ messageId: id, receiveCount });
  let outcome: Outcome;
  try {
    const body = Buffer.from(message.data).toString('utf8');
    const work = { id, body, sentAtMs: message.publishedAtMs, attributes, receiveCount, replays: readReplays(attributes) };
    outcome = await handle(work, AbortSignal.any([lease.lost, stop]));
  } catch (thrown) {
    const error = asMillraceError(thrown);
    log.error({ error }, 'a message could not be handled');
    outcome = { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, queue.random), error };
  }
  try {
    return await settle(queue, delivery, outcome, stop, log);
  } catch (thrown) {
    // The message comes back when its lease ends: doing it again is harmless.
    log.warn({ error: pubsubError(thrown, 'to settle a message'), outcome: outcome.kind }, 'a message could not be settled');
    return 'left';
  } finally {
    await lease.release();
  }
}

async function settle(
  queue: PubsubQueue,
  delivery: PubsubDelivery,
  outcome: Outcome,
  stop: AbortSignal,
  log: Logger,
): Promise<Settled> {
  const { message, lease, receiveCount } = delivery;
  // Whoever has the message now settles it.
  if (lease.lost.aborted) return 'left';
  if (outcome.kind === 'done') return acknowledgeIt(queue, delivery);
  if (!lease.isHeld()) return 'left';
  if (outcome.kind === 'retry') {
    if (stop.aborted) return giveBack(queue, delivery, 0);
    // Stopped work says nothing about the message.
    const isFailure = outcome.error.code !== 'CANCELLED';
    if (!isFailure || !isLastDelivery(queue, message)) return giveBack(queue, delivery, outcome.delaySeconds);
  }
  if (await sendToDeadLetters(queue, delivery, outcome.error, log)) return acknowledgeIt(queue, delivery);
  return giveBack(
    queue,
    delivery,
    outcome.kind === 'retry' ? outcome.delaySeconds : retryDelaySeconds(receiveCount, queue.random),
  );
}

async function acknowledgeIt({ client, subscription }: PubsubQueue, { message, lease }: PubsubDelivery): Promise<Settled> {
  await lease.release();
  await acknowledge(client, subscription, message.ackId);
  return 'acknowledged';
}

/**
 * Pub/Sub cannot delay one message, but its deadline can be moved: until then nobody gets it, and nothing has to be remembered here.
 * A negative acknowledgement instead would bring it back at once, or after the subscription's back-off, which the emulator ignores.
 */
export async function giveBack(
  { client, subscription }: Pick<PubsubQueue, 'client' | 'subscription'>,
  { message, lease }: Pick<PubsubDelivery, 'message' | 'lease'>,
  delaySeconds: number,
): Promise<Settled> {
  await lease.release();
  const seconds = Math.min(MAX_DELAY_SECONDS, Math.ceil(delaySeconds));
  await modifyAckDeadline(client, { subscription, ackId: message.ackId, seconds });
  return seconds === 0 ? 'left' : 'delayed';
}

/** After it the service would forward the message by itself, and without the reason. */
function isLastDelivery({ maxDeliveryAttempts }: PubsubQueue, { deliveryAttempt }: ReceivedMessage): boolean {
  return maxDeliveryAttempts !== undefined && deliveryAttempt >= maxDeliveryAttempts;
}

/** True once the dead-letter topic has it. */
async function sendToDeadLetters(
  queue: PubsubQueue,
  { message, receiveCount }: PubsubDelivery,
  error: MillraceError,
  log: Logger,
): Promise<boolean> {
  if (queue.deadLetterTopic === undefined) {
    log.warn({ error }, 'a message belongs to the dead letters, and there is no topic for them: it is tried again later');
    return false;
  }
  const replays = readReplays(message.attributes);
  const note = noteAttributes(createNote({ error, receiveCount, replays, nowMs: Date.now() }));
  const attributes = { ...withoutSourceAttributes(message.attributes), ...note };
  try {
    await publish(queue.client, queue.deadLetterTopic, { data: message.data, attributes });
    log.warn({ error }, 'a message is sent to the dead-letter topic');
    queue.onDeadLetter?.(error);
    return true;
  } catch (thrown) {
    const sending = pubsubError(thrown, `to publish to ${queue.deadLetterTopic}`).message;
    log.error({ error, sending }, "the dead-letter topic failed: left for the subscription's dead-letter policy");
    return false;
  }
}

/** The service adds four such attributes when it dead-letters a message by itself; where the message goes next they are untrue. */
export function withoutSourceAttributes(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !name.startsWith('CloudPubSubDeadLetterSource')));
}
