/** CreateQueue, GetQueueUrl, ListQueues, DeleteQueue, PurgeQueue, ListDeadLetterSourceQueues. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { action, QueueUrl, RequiredText, TextMap } from '../action.ts';
import { queueDoesNotExist, SqsFault } from '../faults.ts';
import { PURGE_INTERVAL_MS } from '../limits.ts';
import { pageOf, pageSize, readPageToken } from '../page-token.ts';
import { checkAttributes, mergedAttributes, sameAttributes } from '../queue-attributes.ts';
import { checkQueueName, queueArn, queueUrl } from '../queue-name.ts';
import { checkRedriveTarget } from '../redrive-target.ts';
import { queueAtUrl } from '../service.ts';
import { checkTags } from './tags.ts';

const CreateInput = z.object({ QueueName: RequiredText, Attributes: TextMap.default({}), tags: TextMap.default({}) });

export const createQueue = action(CreateInput, async (service, { QueueName: name, Attributes: asked, tags }) => {
  checkQueueName(name);
  checkAttributes(asked);
  checkTags(tags);
  await service.store.write(() => {
    const existing = service.queues.byName(name);
    if (existing === undefined) {
      checkRedriveTarget(service, name, asked.RedrivePolicy);
      const attributes = mergedAttributes({}, asked);
      service.queues.create({ uid: randomUUID(), name, attributes, tags, nowMs: service.now() });
    } else if (!sameAttributes(existing.attributes, asked)) {
      throw new SqsFault('QueueNameExists', 'A queue already exists with the same name and a different value for an attribute.');
    }
  });
  return { body: { QueueUrl: queueUrl(service.address, name) } };
});

const GetUrlInput = z.object({ QueueName: RequiredText, QueueOwnerAWSAccountId: z.string().optional() });

export const getQueueUrl = action(GetUrlInput, async (service, { QueueName: name, QueueOwnerAWSAccountId: owner }) => {
  if (owner !== undefined && owner !== service.address.accountId) throw queueDoesNotExist();
  if (service.queues.byName(name) === undefined) throw queueDoesNotExist();
  return { body: { QueueUrl: queueUrl(service.address, name) } };
});

const PageInput = z.object({ MaxResults: z.int().optional(), NextToken: z.string().optional() });
const ListInput = PageInput.extend({ QueueNamePrefix: z.string().default('') });

export const listQueues = action(ListInput, async (service, { QueueNamePrefix: prefix, MaxResults, NextToken }) => {
  const found = service.queues.page(prefix, readPageToken(NextToken), pageSize(MaxResults) + 1);
  const { items, nextToken } = pageOf(found, MaxResults);
  return { body: { QueueUrls: items.map((queue) => queueUrl(service.address, queue.name)), NextToken: nextToken } };
});

export const listDeadLetterSourceQueues = action(QueueUrl.extend(PageInput.shape), async (service, input) => {
  const arn = queueArn(service.address, queueAtUrl(service, input.QueueUrl).name);
  const after = readPageToken(input.NextToken);
  const found = service.queues.all().filter((queue) => queue.settings.redrive?.deadLetterTargetArn === arn && queue.name > after);
  const { items, nextToken } = pageOf(found, input.MaxResults);
  return { body: { queueUrls: items.map((queue) => queueUrl(service.address, queue.name)), NextToken: nextToken } };
});

export const deleteQueue = action(QueueUrl, async (service, input) => {
  const id = await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    service.queues.delete(queue.id);
    return queue.id;
  });
  // Whoever waits there is told that the queue has gone.
  service.pollers.wake(id);
  return { body: {} };
});

export const purgeQueue = action(QueueUrl, async (service, input) => {
  await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    const nowMs = service.now();
    if (queue.purgedAtMs !== null && nowMs - queue.purgedAtMs < PURGE_INTERVAL_MS) {
      throw new SqsFault(
        'PurgeQueueInProgress',
        `Only one PurgeQueue operation on ${queue.name} is allowed every ${PURGE_INTERVAL_MS / 1000} seconds.`,
      );
    }
    service.messages.deleteAll(queue.id);
    service.queues.setPurged(queue.id, nowMs);
  });
  return { body: {} };
});
