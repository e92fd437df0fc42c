/** ReceiveMessage. */
import { z } from 'zod';
import { action, type Json, QueueUrl } from '../action.ts';
import { invalidParameter, SqsFault } from '../faults.ts';
import { MAX_BATCH_ENTRIES, MAX_VISIBILITY_SECONDS, MAX_WAIT_SECONDS } from '../limits.ts';
import { md5OfMessageAttributes, md5OfText, selectMessageAttributes } from '../message-attributes.ts';
import type { Message } from '../messages.ts';
import type { Queue } from '../queues.ts';
import { receiptHandle } from '../receipt-handle.ts';
import { queueAtUrl } from '../service.ts';

const Names = z.array(z.string()).default([]);

const ReceiveInput = QueueUrl.extend({
  MaxNumberOfMessages: z.int().default(1),
  VisibilityTimeout: z.int().optional(),
  WaitTimeSeconds: z.int().optional(),
  /** The older name of the next. */
  AttributeNames: Names,
  MessageSystemAttributeNames: Names,
  MessageAttributeNames: Names,
  ReceiveRequestAttemptId: z.string().optional(),
});

const SYSTEM_ATTRIBUTES: ReadonlySet<string> = new Set([
  'All',
  'ApproximateFirstReceiveTimestamp',
  'ApproximateReceiveCount',
  'AWSTraceHeader',
  'DeadLetterQueueSourceArn',
  'MessageDeduplicationId',
  'MessageGroupId',
  'SenderId',
  'SentTimestamp',
  'SequenceNumber',
]);

export const receiveMessage = action(ReceiveInput, async (service, input, { signal }) => {
  const queue = queueAtUrl(service, input.QueueUrl);
  const systemNames = [...input.AttributeNames, ...input.MessageSystemAttributeNames];
  checkReceive(input, systemNames);
  const waitSeconds = input.WaitTimeSeconds ?? queue.settings.receiveWaitSeconds;
  const taken = await service.pollers.receive(queue, {
    max: input.MaxNumberOfMessages,
    visibilitySeconds: input.VisibilityTimeout ?? queue.settings.visibilityTimeoutSeconds,
    waitMs: waitSeconds * 1000,
    signal,
  });
  if (taken.length === 0) return { body: {} };
  const shown = taken.map(({ after }) => show(after, queue, service.address.accountId, systemNames, input.MessageAttributeNames));
  return { body: { Messages: shown }, undelivered: () => service.pollers.giveBack(queue.id, taken) };
});

function checkReceive(input: z.output<typeof ReceiveInput>, systemNames: readonly string[]): void {
  checkRange('MaxNumberOfMessages', input.MaxNumberOfMessages, 1, MAX_BATCH_ENTRIES);
  checkRange('WaitTimeSeconds', input.WaitTimeSeconds, 0, MAX_WAIT_SECONDS);
  checkRange('VisibilityTimeout', input.VisibilityTimeout, 0, MAX_VISIBILITY_SECONDS);
  if (input.ReceiveRequestAttemptId !== undefined) {
    throw invalidParameter(
      'ReceiveRequestAttemptId',
      input.ReceiveRequestAttemptId,
      'The request includes a parameter that is not valid for this queue type.',
    );
  }
  const unknown = systemNames.find((name) => !SYSTEM_ATTRIBUTES.has(name));
  if (unknown !== undefined) throw new SqsFault('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
}

function checkRange(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (value >= least && value <= most)) return;
  throw invalidParameter(name, value, `Must be between ${least} and ${most}, if provided.`);
}

function show(
  message: Message,
  queue: Queue,
  accountId: string,
  systemNames: readonly string[],
  attributeNames: readonly string[],
): Json {
  const attributes = selectMessageAttributes(message.attributes, attributeNames);
  const some = Object.keys(attributes).length > 0;
  return {
    MessageId: message.id,
    ReceiptHandle: receiptHandle({ queueUid: queue.uid, messageId: message.id }),
    MD5OfBody: md5OfText(message.body),
    Body: message.body,
    Attributes: systemAttributes(message, accountId, systemNames),
    MD5OfMessageAttributes: md5OfMessageAttributes(attributes),
    MessageAttributes: some ? attributes : undefined,
  };
}

function systemAttributes(message: Message, accountId: string, names: readonly string[]): Json {
  const all = {
    SenderId: accountId,
    SentTimestamp: String(message.sentAtMs),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAtMs ?? message.sentAtMs),
    ...(message.traceHeader === null ? {} : { AWSTraceHeader: message.traceHeader }),
    ...(message.sourceArn === null ? {} : { DeadLetterQueueSourceArn: message.sourceArn }),
  };
  const wanted = Object.entries(all).filter(([name]) => names.includes('All') || names.includes(name));
  return wanted.length === 0 ? undefined : Object.fromEntries(wanted);
}
