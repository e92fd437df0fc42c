/** One received SQS message: its lease while it is worked on, and its end on the queue. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { createNote, noteAttributes, readReplays } from './dead-letter-note.ts';
import type { HandleMessage } from './queue-message.ts';
import { type Outcome, retryDelaySeconds } from './settle.ts';

export interface SqsQueue {
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** Without one, or where sending fails, a message nobody can read is left for the queue's own redrive policy. */
  readonly deadLetterQueueUrl: string | undefined;
  readonly visibilityTimeoutSeconds: number;
  readonly log: Logger;
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
    const work = { id, body: message.Body ?? '', attributes, receiveCount, replays: readReplays(attributes) };
    outcome = await handle(work, AbortSignal.any([lease.lost, stop]));
  } catch (thrown) {
    const error = asMillraceError(thrown);
    log.error({ error }, 'a message could not be handled');
    outcome = { kind: 'retry', delaySeconds: retryDelaySeconds(receiveCount, queue.random), error };
  }
  await lease.release();
  try {
    // Whoever has the message now settles it.
    if (lease.lost.aborted) return;
    if (outcome.kind === 'retry') await hide(queue, message, stop.aborted ? 0 : outcome.delaySeconds);
    else if (outcome.kind === 'done' || (await sendToDeadLetters(queue, message, outcome.error, receiveCount, log)))
      await remove(queue, message);
    else await hide(queue, message, retryDelaySeconds(receiveCount, queue.random));
  } catch (thrown) {
    // The message comes back when its lease ends: doing it again is harmless.
    log.warn({ error: asMillraceError(thrown), outcome: outcome.kind }, 'a message could not be settled');
  }
}

interface Lease {
  /** Aborted when the message is no longer ours. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** Extends the message's visibility until released. */
function holdLease(queue: SqsQueue, message: Message, log: Logger): Lease {
  const lost = new AbortController();
  const lengthMs = queue.visibilityTimeoutSeconds * 1000;
  let endsAtMs = performance.now() + lengthMs;
  let isReleased = false;
  let beating: Promise<void> | undefined;

  const beat = async () => {
    const sentAtMs = performance.now();
    try {
      await hide(queue, message, queue.visibilityTimeoutSeconds);
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
  }, lengthMs / HEARTBEATS_PER_LEASE);
  return {
    lost: lost.signal,
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

async function hide({ client, queueUrl }: SqsQueue, message: Message, seconds: number): Promise<void> {
  const receipt = { QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle };
  await client.send(new ChangeMessageVisibilityCommand({ ...receipt, VisibilityTimeout: seconds }));
}

async function remove({ client, queueUrl }: SqsQueue, message: Message): Promise<void> {
  await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
}

/** True once the dead-letter queue has it. */
async function sendToDeadLetters(
  queue: SqsQueue,
  message: Message,
  error: MillraceError,
  receiveCount: number,
  log: Logger,
): Promise<boolean> {
  if (queue.deadLetterQueueUrl === undefined) {
    log.warn({ error }, "a message cannot be read, and no dead-letter queue is set: left for the queue's redrive policy");
    return false;
  }
  const replays = readReplays(textAttributes(message));
  const attributes = noteAttributes(createNote({ error, receiveCount, replays, nowMs: Date.now() }));
  try {
    await queue.client.send(
      new SendMessageCommand({
        QueueUrl: queue.deadLetterQueueUrl,
        MessageBody: message.Body,
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
        ),
      }),
    );
    log.warn({ error }, 'a message cannot be read: sent to the dead-letter queue');
    return true;
  } catch (thrown) {
    log.error(
      { error, sending: asMillraceError(thrown).message },
      "the dead-letter queue failed: left for the queue's redrive policy",
    );
    return false;
  }
}

function textAttributes({ MessageAttributes = {} }: Message): Record<string, string> {
  const entries = Object.entries(MessageAttributes).flatMap(([name, { StringValue: value }]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return Object.fromEntries(entries);
}
