/** Takes one message in. */
import { z } from 'zod';
import type { Json } from './action.ts';
import { invalidParameter, missingParameter, SqsFault } from './faults.ts';
import { MAX_DELAY_SECONDS } from './limits.ts';
import {
  checkMessageAttributes,
  MessageAttributes,
  md5OfMessageAttributes,
  md5OfText,
  messageAttributesBytes,
} from './message-attributes.ts';
import { checkCharacters, utf8Bytes } from './message-text.ts';
import type { Queue } from './queues.ts';
import type { Service } from './service.ts';

export const MessageInput = z.object({
  MessageBody: z.string().optional(),
  DelaySeconds: z.int().optional(),
  MessageAttributes: MessageAttributes.optional(),
  MessageSystemAttributes: MessageAttributes.optional(),
  MessageGroupId: z.string().optional(),
  MessageDeduplicationId: z.string().optional(),
});
export type MessageInput = z.infer<typeof MessageInput>;

export interface CheckedMessage {
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly systemAttributes: MessageAttributes;
  readonly delaySeconds: number;
}

/** Throws the fault that SQS answers. */
export function checkMessage(queue: Queue, input: MessageInput): CheckedMessage {
  const { MessageBody: body = '', MessageAttributes: attributes = {}, MessageSystemAttributes: systemAttributes = {} } = input;
  refuseFifoParameters(input);
  if (body === '') throw missingParameter('MessageBody');
  checkCharacters(body, 'message body');
  checkMessageAttributes(attributes);
  checkSystemAttributes(systemAttributes);
  const most = queue.settings.maximumMessageBytes;
  if (payloadBytes(input) > most) {
    throw new SqsFault(
      'InvalidParameterValueException',
      `One or more parameters are invalid. Reason: Message must be shorter than ${most} bytes.`,
    );
  }
  const delaySeconds = input.DelaySeconds ?? queue.settings.delaySeconds;
  if (delaySeconds < 0 || delaySeconds > MAX_DELAY_SECONDS) {
    throw invalidParameter('DelaySeconds', delaySeconds, `DelaySeconds must be >= 0 and <= ${MAX_DELAY_SECONDS}.`);
  }
  return { body, attributes, systemAttributes, delaySeconds };
}

/** What counts towards a message's and a batch's limit; system attributes do not. */
export function payloadBytes(input: MessageInput): number {
  return utf8Bytes(input.MessageBody ?? '') + messageAttributesBytes(input.MessageAttributes ?? {});
}

/** Must run inside a write; wake the queue after it. Answers what SendMessage does. */
export function storeMessage(service: Service, queueId: number, message: CheckedMessage): Readonly<Record<string, Json>> {
  const { body, attributes, systemAttributes, delaySeconds } = message;
  const id = service.newId();
  const nowMs = service.now();
  service.messages.insert({
    queueId,
    id,
    body,
    attributes,
    traceHeader: systemAttributes.AWSTraceHeader?.StringValue ?? null,
    sentAtMs: nowMs,
    visibleAtMs: nowMs + delaySeconds * 1000,
  });
  return {
    MessageId: id,
    MD5OfMessageBody: md5OfText(body),
    MD5OfMessageAttributes: md5OfMessageAttributes(attributes),
    MD5OfMessageSystemAttributes: md5OfMessageAttributes(systemAttributes),
  };
}

function checkSystemAttributes(attributes: MessageAttributes): void {
  for (const [name, { DataType }] of Object.entries(attributes)) {
    if (name !== 'AWSTraceHeader' || DataType !== 'String') {
      throw new SqsFault(
        'InvalidParameterValueException',
        `Message system attribute '${name}' is invalid: the only one that can be sent is AWSTraceHeader, of type String.`,
      );
    }
  }
  checkMessageAttributes(attributes);
}

function refuseFifoParameters(input: MessageInput): void {
  if (input.MessageDeduplicationId !== undefined) {
    throw invalidParameter(
      'MessageDeduplicationId',
      input.MessageDeduplicationId,
      'The request includes a parameter that is not valid for this queue type.',
    );
  }
  // On AWS a standard queue takes it (fair queues); here nothing would come of it.
  if (input.MessageGroupId !== undefined) {
    throw invalidParameter('MessageGroupId', input.MessageGroupId, 'This local queue does not group messages.');
  }
}
