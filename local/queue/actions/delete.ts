/**
 * DeleteMessage, DeleteMessageBatch. AWS promises deletion for the latest receipt handle only ("if you use an old one, the
 * request will succeed, but the message might not be deleted"); on standard queues an old one does delete in practice, and does here.
 */
import { z } from 'zod';
import { action, QueueUrl, RequiredText } from '../action.ts';
import { checkBatch, eachEntry } from '../batch.ts';
import type { Queue } from '../queues.ts';
import { messageIdOf } from '../receipt-handle.ts';
import { queueAtUrl, type Service } from '../service.ts';

export const deleteMessage = action(QueueUrl.extend({ ReceiptHandle: RequiredText }), async (service, input) => {
  const queueId = await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    remove(service, queue, input.ReceiptHandle);
    return queue.id;
  });
  // Room for one more in flight, which somebody may wait for.
  service.pollers.wake(queueId);
  return { body: {} };
});

const BatchInput = QueueUrl.extend({ Entries: z.array(z.object({ Id: RequiredText, ReceiptHandle: RequiredText })).default([]) });

export const deleteMessageBatch = action(BatchInput, async (service, { QueueUrl, Entries: entries }) => {
  checkBatch(entries, 'DeleteMessageBatchRequestEntry');
  const { queueId, reply } = await service.store.write(() => {
    const queue = queueAtUrl(service, QueueUrl);
    const one = (entry: { readonly ReceiptHandle: string }) => {
      remove(service, queue, entry.ReceiptHandle);
      return {};
    };
    return { queueId: queue.id, reply: eachEntry(entries, one) };
  });
  service.pollers.wake(queueId);
  return reply;
});

/** Deleting what is gone already is no error. */
function remove(service: Service, queue: Queue, handle: string): void {
  service.messages.delete(queue.id, messageIdOf(handle, queue.uid));
}
