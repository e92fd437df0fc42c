/** GetQueueAttributes, SetQueueAttributes. */
import { z } from 'zod';
import { action, QueueUrl, TextMap } from '../action.ts';
import { checkAttributeNames, checkAttributes, mergedAttributes, shownAttributes } from '../queue-attributes.ts';
import { queueArn } from '../queue-name.ts';
import type { Queue } from '../queues.ts';
import { checkRedriveTarget } from '../redrive-target.ts';
import { queueAtUrl, type Service } from '../service.ts';
import { liveSinceMs } from '../take.ts';

const GetInput = QueueUrl.extend({ AttributeNames: z.array(z.string()).default([]) });

export const getQueueAttributes = action(GetInput, async (service, { QueueUrl, AttributeNames: names }) => {
  const queue = queueAtUrl(service, QueueUrl);
  checkAttributeNames(names);
  if (names.length === 0) return { body: {} };
  const all = allAttributes(service, queue);
  const wanted = names.includes('All') ? all : Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
  return { body: { Attributes: wanted } };
});

const SetInput = QueueUrl.extend({ Attributes: TextMap });

export const setQueueAttributes = action(SetInput, async (service, { QueueUrl, Attributes: changes }) => {
  checkAttributes(changes);
  const id = await service.store.write(() => {
    const queue = queueAtUrl(service, QueueUrl);
    checkRedriveTarget(service, queue.name, changes.RedrivePolicy);
    service.queues.setAttributes(queue.id, mergedAttributes(queue.attributes, changes), service.now());
    return queue.id;
  });
  // A longer retention can bring back what the sweep has not deleted yet.
  service.pollers.wake(id);
  return { body: {} };
});

function allAttributes(service: Service, queue: Queue): Record<string, string> {
  const nowMs = service.now();
  const { visible, inFlight, delayed } = service.messages.counts(queue.id, nowMs, liveSinceMs(queue, nowMs));
  return {
    ...shownAttributes(queue.attributes),
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: seconds(queue.createdAtMs),
    LastModifiedTimestamp: seconds(queue.modifiedAtMs),
    QueueArn: queueArn(service.address, queue.name),
  };
}

function seconds(ms: number): string {
  return String(Math.floor(ms / 1000));
}
