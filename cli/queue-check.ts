/** Whether the queues that the settings name exist: said at start, because a consumer would else wait for ever beside a mistyped name. */
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { type Config, requireVariables } from '../config.ts';
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { queueAddress } from './queue-address.ts';
import { cloudflareClient, pubsubClient, sqsClient } from './queue-clients.ts';

const VARIABLES = ['MILLRACE_QUEUE_URL', 'MILLRACE_DEAD_LETTER_QUEUE_URL'] as const;

/** Throws CONFIG_INVALID where one does not exist. What cannot be told now (an outage, a missing permission) is logged, and no reason to stop. */
export async function requireQueues(config: Config, log: Logger): Promise<void> {
  requireVariables(config, ['MILLRACE_QUEUE_URL']);
  for (const variable of VARIABLES) {
    const text = config[variable];
    if (text === undefined) continue;
    try {
      if (await exists(config, text, variable)) continue;
    } catch (thrown) {
      const error = asMillraceError(thrown);
      if (error.code === 'CONFIG_INVALID') throw error;
      log.warn({ variable, error }, 'whether the queue exists cannot be told now');
      continue;
    }
    throw new MillraceError('CONFIG_INVALID', `${variable}: there is no such queue: ${text}`, {
      fix: 'Check its name, the account or project in it, and the region; or make the queue first.',
    });
  }
}

async function exists(config: Config, text: string, variable: (typeof VARIABLES)[number]): Promise<boolean> {
  const address = queueAddress(text, variable);
  switch (address.kind) {
    case 'sqs': {
      const client = await sqsClient(config, address.url);
      try {
        await client.send(new GetQueueAttributesCommand({ QueueUrl: address.url, AttributeNames: ['QueueArn'] }));
        return true;
      } catch (thrown) {
        if (thrown instanceof Error && /QueueDoesNotExist|NonExistentQueue/.test(thrown.name)) return false;
        throw thrown;
      } finally {
        client.destroy();
      }
    }
    case 'cloudflare': {
      const client = await cloudflareClient(config, address.url);
      try {
        await client.settings();
        return true;
      } catch (thrown) {
        if (thrown instanceof MillraceError && thrown.context.status === 404) return false;
        throw thrown;
      }
    }
    case 'pubsub': {
      const { readSubscription } = await import('../consumers/pubsub-calls.ts');
      const { pubsubError, statusOf } = await import('../consumers/pubsub-client.ts');
      const client = await pubsubClient(config, address.project);
      try {
        await readSubscription(client, address.subscription);
        return true;
      } catch (thrown) {
        if (statusOf(thrown) === 'NOT_FOUND') return false;
        throw pubsubError(thrown, address.subscription);
      } finally {
        await client.close();
      }
    }
  }
}
