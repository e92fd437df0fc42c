/** ChangeMessageVisibility, ChangeMessageVisibilityBatch. */
import { z } from 'zod';
import { action, QueueUrl, RequiredText } from '../action.ts';
import { checkBatch, eachEntry } from '../batch.ts';
import { invalidParameter, SqsFault } from '../faults.ts';
import { MAX_VISIBILITY_SECONDS } from '../limits.ts';
import type { Queue } from '../queues.ts';
import { messageIdOf } from '../receipt-handle.ts';
import { queueAtUrl, type Service } from '../service.ts';
import { liveSinceMs } from '../take.ts';

const Change = z.object({ ReceiptHandle: RequiredText, VisibilityTimeout: z.int() });
type Change = z.infer<typeof Change>;

export const changeMessageVisibility = action(QueueUrl.extend(Change.shape), async (service, input) => {
  const queueId = await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    change(service, queue, input);
    return queue.id;
  });
  // Whoever waits there has a timer for the old moment.
  service.pollers.wake(queueId);
  return { body: {} };
});

/** In a batch the timeout may be left out, and is then 0. */
const Entry = Change.extend({ Id: RequiredText, VisibilityTimeout: z.int().default(0) });

export const changeMessageVisibilityBatch = action(
  QueueUrl.extend({ Entries: z.array(Entry).default([]) }),
  async (service, { QueueUrl, Entries: entries }) => {
    checkBatch(entries, 'ChangeMessageVisibilityBatchRequestEntry');
    const { queueId, reply } = await service.store.write(() => {
      const queue = queueAtUrl(service, QueueUrl);
      const one = (entry: Change) => {
        change(service, queue, entry);
        return {};
      };
      return { queueId: queue.id, reply: eachEntry(entries, one) };
    });
    service.pollers.wake(queueId);
    return reply;
  },
);

function change(service: Service, queue: Queue, { ReceiptHandle: handle, VisibilityTimeout: seconds }: Change): void {
  if (seconds < 0 || seconds > MAX_VISIBILITY_SECONDS) {
    throw invalidParameter(
      'VisibilityTimeout',
      seconds,
      `VisibilityTimeout must be an integer between 0 and ${MAX_VISIBILITY_SECONDS}.`,
    );
  }
  const nowMs = service.now();
  const message = service.messages.find(queue.id, messageIdOf(handle, queue.uid));
  if (message === undefined || message.sentAtMs <= liveSinceMs(queue, nowMs)) {
    throw invalidParameter('ReceiptHandle', handle, 'Message does not exist or is not available for visibility timeout change.');
  }
  if (!message.inFlight || message.visibleAtMs <= nowMs) {
    throw new SqsFault('MessageNotInflight', 'The specified message is not in flight.');
  }
  const visibleAtMs = nowMs + seconds * 1000;
  if (visibleAtMs - (message.receivedAtMs ?? nowMs) > MAX_VISIBILITY_SECONDS * 1000) {
    throw invalidParameter(
      'VisibilityTimeout',
      seconds,
      `Total VisibilityTimeout for the message is beyond the limit [${MAX_VISIBILITY_SECONDS} seconds].`,
    );
  }
  service.messages.setVisibleAt(message.seq, visibleAtMs);
}
