/** One received SQS message: its lease while it is worked on, and its end on the queue. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  type MessageAttributeValue,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createNote, noteAttributes, readReplays } from './dead-letter-note.ts';
import type { HandleMessage } from './queue-message.ts';
import { type Outcome, retryDelaySeconds } from './settle.ts';
import type { Redrive, RedriveReader } from './sqs-redrive.ts';

export interface SqsQueue {
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** That of the redrive policy unless given. Without any, or where sending fails, the message is left for the queue itself to move. */
  readonly deadLetterQueueUrl: string | undefined;
  readonly redrive: RedriveReader;
  readonly visibilityTimeoutSeconds: number;
  readonly log: Logger;
  readonly onDeadLetter?: ((error: MillraceError) => void) | undefined;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

/** Three tries to extend a lease before it ends. */
const HEARTBEATS_PER_LEASE = 3;

/** Handles and settles one message. Never throws. `stop` ends the work and gives the message back to the queue. */
export async function settleSqsMessage(
  queue: SqsQueue,
  message: Message,
  handle: HandleMessage,
  stop: AbortSignal,
): Promise<void> {
  const id = message.MessageId ?? '';
  const receiveCount = Number(message.Attributes?.ApproximateReceiveCount ?? 1);
  const attributes = textAttributes(message);
  const log = queue.log.child({ messageId: id, receiveCount });
  const lease = holdLease(queue, message, log);
  let outcome: Outcome;
  try {
    const sentAtMs = Number(message.Attributes?.SentTimestamp ?? Number.NaN);
    const sent = Number.isFinite(sentAtMs) ? { sentAtMs } : {};
    const work = { id, body: message.Body ?? '', ...sent, attributes, receiveCount, replays: readReplays(attributes) };
    outcome = await handle(work, AbortSignal.any([lease.lost, stop]));
  } catch (thrown) {
    const error = asMillraceError(thrown);
    log.error({ error }, 'a message could not be handled');
    outcome = { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, queue.random), error };
  }
  await lease.release();
  try {
    await settle({ queue, message, receiveCount, log, lease, stop }, outcome);
  } catch (thrown) {
    // The message comes back when its lease ends: doing it again is harmless.
    log.warn({ error: asMillraceError(thrown), outcome: outcome.kind }, 'a message could not be settled');
  }
}

interface Settling {
  readonly queue: SqsQueue;
  readonly message: Message;
  readonly receiveCount: number;
  readonly log: Logger;
  readonly lease: Lease;
  readonly stop: AbortSignal;
}

async function settle(settling: Settling, outcome: Outcome): Promise<void> {
  const { queue, message, receiveCount, lease, stop } = settling;
  // Whoever has the message now settles it.
  if (lease.lost.aborted) return;
  if (outcome.kind === 'done') return remove(queue, message);
  if (!lease.isHeld()) return;
  if (outcome.kind === 'retry') {
    if (stop.aborted) return hide(queue, message, 0);
    // Stopped work says nothing about the message.
    if (outcome.error.code === 'CANCELLED') return hide(queue, message, outcome.delaySeconds);
  }
  const redrive = await queue.redrive.read();
  if (outcome.kind === 'dead-letter' || (redrive !== undefined && receiveCount >= redrive.maxReceiveCount)) {
    if (await sendToDeadLetters(settling, outcome.error, redrive)) return remove(queue, message);
  }
  await hide(queue, message, outcome.kind === 'retry' ? outcome.delaySeconds : retryDelaySeconds(receiveCount, queue.random));
}

interface Lease {
  /** Aborted when the message is no longer ours. */
  readonly lost: AbortSignal;
  /** By the clock: false too where this process slept through the end of the lease and nobody has told it yet. */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** Extends the message's visibility until released. */
function holdLease(queue: SqsQueue, message: Message, log: Logger): Lease {
  const lost = new AbortController();
  const lengthMs = queue.visibilityTimeoutSeconds * 1000;
  const intervalMs = Math.floor(lengthMs / HEARTBEATS_PER_LEASE);
  let endsAtMs = performance.now() + lengthMs;
  let isReleased = false;
  let beating: Promise<void> | undefined;

  const beat = async () => {
    const sentAtMs = performance.now();
    try {
      // One that hangs must neither stand in the way of the next nor hide that the lease is over.
      await hide(queue, message, queue.visibilityTimeoutSeconds, AbortSignal.timeout(intervalMs));
      endsAtMs = sentAtMs + lengthMs;
    } catch (thrown) {
      if (isReleased) return;
      const error = asMillraceError(thrown);
      if (!isReceiptGone(thrown) && performance.now() < endsAtMs) {
        log.warn({ error }, 'the lease of a message could not be extended; trying again');
        return;
      }
      clearInterval(heartbeat);
      log.warn({ error }, 'the lease of a message is lost: its work is stopped');
      lost.abort(new MillraceError('CANCELLED', 'the lease of the message is lost'));
    }
  };
  const heartbeat = setInterval(() => {
    beating ??= beat().finally(() => {
      beating = undefined;
    });
  }, intervalMs);
  return {
    lost: lost.signal,
    isHeld: () => performance.now() < endsAtMs,
    async release() {
      isReleased = true;
      clearInterval(heartbeat);
      // An extension that arrives after the message's end would undo the delay of a retry.
      await beating;
    },
  };
}

/** The receipt was replaced by a later one, the message deleted, or its twelve hours are over. */
const GONE: ReadonlySet<string> = new Set([
  'ReceiptHandleIsInvalid',
  'MessageNotInflight',
  'InvalidParameterValue',
  'InvalidParameterValueException',
  'QueueDoesNotExist',
]);

function isReceiptGone(thrown: unknown): boolean {
  return thrown instanceof Error && GONE.has(thrown.name);
}

async function hide(
  { client, queueUrl }: SqsQueue,
  message: Message,
  seconds: number,
  abortSignal = new AbortController().signal,
): Promise<void> {
  const receipt = { QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle };
  await client.send(new ChangeMessageVisibilityCommand({ ...receipt, VisibilityTimeout: seconds }), { abortSignal });
}

async function remove({ client, queueUrl }: SqsQueue, message: Message): Promise<void> {
  await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
}

/** True once the dead-letter queue has it. */
async function sendToDeadLetters(
  { queue, message, receiveCount, log }: Settling,
  error: MillraceError,
  redrive: Redrive | undefined,
): Promise<boolean> {
  const url = queue.deadLetterQueueUrl ?? redrive?.deadLetterQueueUrl;
  if (url === undefined) {
    log.warn({ error }, 'a message belongs in the dead-letter queue, but none is known: left for the queue itself to move');
    return false;
  }
  const replays = readReplays(textAttributes(message));
  const note = createNote({ error, receiveCount, replays, nowMs: Date.now() });
  try {
    await queue.client.send(
      new SendMessageCommand({
        QueueUrl: url,
        MessageBody: message.Body,
        MessageAttributes: withNote(message, noteAttributes(note)),
      }),
    );
    log.warn({ error }, 'a message was sent to the dead-letter queue');
    queue.onDeadLetter?.(error);
    return true;
  } catch (thrown) {
    log.error(
      { error, sending: asMillraceError(thrown).message },
      'the dead-letter queue failed: the message is left for the queue itself to move',
    );
    return false;
  }
}

/** SQS's limit. */
const MAX_MESSAGE_ATTRIBUTES = 10;

/** The message's own attributes, as far as there is room for them beside the note. */
function withNote(
  { MessageAttributes = {} }: Message,
  note: Readonly<Record<string, string>>,
): Record<string, MessageAttributeValue> {
  const added = Object.entries(note).map(([name, value]) => [name, { DataType: 'String', StringValue: value }] as const);
  const own = Object.entries(MessageAttributes).filter(([name]) => !Object.hasOwn(note, name));
  return Object.fromEntries([...own.slice(0, MAX_MESSAGE_ATTRIBUTES - added.length), ...added]);
}

function textAttributes({ MessageAttributes = {} }: Message): Record<string, string> {
  const entries = Object.entries(MessageAttributes).flatMap(([name, { StringValue: value }]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}
