/** TagQueue, UntagQueue, ListQueueTags. */
import { z } from 'zod';
import { action, QueueUrl, TextMap } from '../action.ts';
import { SqsFault } from '../faults.ts';
import { MAX_TAGS } from '../limits.ts';
import { queueAtUrl } from '../service.ts';

const MAX_KEY_CHARACTERS = 128;
const MAX_VALUE_CHARACTERS = 256;

/** Throws InvalidParameterValue. */
export function checkTags(tags: Readonly<Record<string, string>>): void {
  const refuse = (message: string) => new SqsFault('InvalidParameterValueException', message);
  if (Object.keys(tags).length > MAX_TAGS) throw refuse(`Too many tags added for queue: at most ${MAX_TAGS} are allowed.`);
  for (const [key, value] of Object.entries(tags)) {
    if (key.length === 0 || key.length > MAX_KEY_CHARACTERS)
      throw refuse(`Tag keys must have 1 to ${MAX_KEY_CHARACTERS} characters.`);
    if (value.length > MAX_VALUE_CHARACTERS) throw refuse(`Tag values must have at most ${MAX_VALUE_CHARACTERS} characters.`);
    if (/^aws:/i.test(key)) throw refuse('Tag keys that start with aws: are reserved.');
  }
}

export const tagQueue = action(QueueUrl.extend({ Tags: TextMap }), async (service, input) => {
  await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    const tags = { ...queue.tags, ...input.Tags };
    checkTags(tags);
    service.queues.setTags(queue.id, tags);
  });
  return { body: {} };
});

export const untagQueue = action(QueueUrl.extend({ TagKeys: z.array(z.string()) }), async (service, input) => {
  await service.store.write(() => {
    const queue = queueAtUrl(service, input.QueueUrl);
    const kept = Object.entries(queue.tags).filter(([key]) => !input.TagKeys.includes(key));
    service.queues.setTags(queue.id, Object.fromEntries(kept));
  });
  return { body: {} };
});

export const listQueueTags = action(QueueUrl, async (service, input) => ({
  body: { Tags: queueAtUrl(service, input.QueueUrl).tags },
}));
