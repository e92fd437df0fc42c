/** The queue and its dead letters, whichever of the three it is. Nothing is received: every receive would count against a message. */
import { asMillraceError } from '../../errors.ts';
import { refuseOneQueue } from '../queue-address.ts';
import type { Check } from './check.ts';
import { deadLetterQueueOf, type Examination, queueOf } from './examination.ts';
import { type Finding, skipped, wrong } from './finding.ts';

const NOT_SET = 'MILLRACE_QUEUE_URL is not set';

export const queue: Check = {
  name: 'queue',
  needs: [],
  fix: 'Check MILLRACE_QUEUE_URL, the keys, and the network.',
  async run(examination, signal) {
    const address = queueOf(examination);
    switch (address?.kind) {
      case undefined:
        return [skipped(NOT_SET)];
      case 'sqs': {
        const { sqsQueue } = await import('./sqs-queue.ts');
        return sqsQueue(examination, address.url, signal);
      }
      case 'cloudflare': {
        const { cloudflareQueue } = await import('./cloudflare-queue.ts');
        return cloudflareQueue(examination, address.url, signal);
      }
      case 'pubsub': {
        const { pubsubQueue } = await import('./pubsub-queue.ts');
        return pubsubQueue(examination, address);
      }
    }
  },
};

export const deadLetters: Check = {
  name: 'dead-letter-queue',
  needs: ['queue'],
  fix: 'Check MILLRACE_DEAD_LETTER_QUEUE_URL and the keys.',
  async run(examination, signal) {
    const wrongSettings = settingsFault(examination);
    if (wrongSettings !== undefined) return [wrongSettings];
    const address = queueOf(examination);
    switch (address?.kind) {
      case undefined:
        return [skipped(NOT_SET)];
      case 'sqs': {
        const { sqsDeadLetters } = await import('./sqs-queue.ts');
        return sqsDeadLetters(examination, address.url, deadLetterQueueOf(examination, 'sqs')?.url, signal);
      }
      case 'cloudflare': {
        const { cloudflareDeadLetters } = await import('./cloudflare-queue.ts');
        return cloudflareDeadLetters(examination, address.url, deadLetterQueueOf(examination, 'cloudflare')?.url, signal);
      }
      case 'pubsub': {
        const { pubsubDeadLetters } = await import('./pubsub-queue.ts');
        return pubsubDeadLetters(examination, address, deadLetterQueueOf(examination, 'pubsub'));
      }
    }
  },
};

/** The environment's check has said it; here it would only be found again by its consequences. */
function settingsFault(examination: Examination): Finding | undefined {
  const { MILLRACE_DEAD_LETTER_QUEUE_URL: dead, MILLRACE_QUEUE_URL: url } = examination.config;
  try {
    const kind = queueOf(examination)?.kind;
    if (kind !== undefined) deadLetterQueueOf(examination, kind);
    if (dead !== undefined) refuseOneQueue(dead, url);
    return undefined;
  } catch (thrown) {
    const { message, fix } = asMillraceError(thrown);
    return wrong(message, fix ?? deadLetters.fix);
  }
}
