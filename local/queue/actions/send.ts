/** SendMessage, SendMessageBatch. */
import { z } from 'zod';
import { action, QueueUrl, RequiredText } from '../action.ts';
import { checkBatch, eachEntry } from '../batch.ts';
import { SqsFault } from '../faults.ts';
import { MAX_PAYLOAD_BYTES } from '../limits.ts';
import { checkMessage, MessageInput, payloadBytes, storeMessage } from '../send.ts';
import { queueAtUrl } from '../service.ts';

export const sendMessage = action(QueueUrl.extend(MessageInput.shape), async (service, input) => {
  const { queueId, body } = await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    return { queueId: queue.id, body: storeMessage(service, queue.id, checkMessage(queue, input)) };
  });
  service.pollers.wake(queueId);
  return { body };
});

const BatchInput = QueueUrl.extend({ Entries: z.array(MessageInput.extend({ Id: RequiredText })).default([]) });

export const sendMessageBatch = action(BatchInput, async (service, { QueueUrl, Entries: entries }) => {
  checkBatch(entries, 'SendMessageBatchRequestEntry');
  const bytes = entries.reduce((total, entry) => total + payloadBytes(entry), 0);
  if (bytes > MAX_PAYLOAD_BYTES) {
    throw new SqsFault(
      'BatchRequestTooLong',
      `Batch requests cannot be longer than ${MAX_PAYLOAD_BYTES} bytes. You have sent ${bytes} bytes.`,
    );
  }
  const { queueId, reply } = await service.store.write(() => {
    const queue = queueAtUrl(service, QueueUrl);
    return {
      queueId: queue.id,
      reply: eachEntry(entries, (entry) => storeMessage(service, queue.id, checkMessage(queue, entry))),
    };
  });
  service.pollers.wake(queueId);
  return reply;
});
