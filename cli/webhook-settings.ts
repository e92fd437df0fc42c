/** From the environment to what webhooks are sent with. */
import type { Config } from '../config.ts';
import type { WebhookSettings } from '../pipeline/webhook-receivers.ts';
import { readWebhookSecret } from '../pipeline/webhook-signature.ts';
import { createGuardedPost } from '../storage/guarded-post.ts';

/** A receiver that answers later has not answered: whoever looks at a job waits for it. */
const TIMEOUT_MS = 10_000;

/** Undefined without a secret: nothing is sent unsigned. Throws CONFIG_INVALID for a host to allow that is none. */
export function webhookSettings(config: Config): WebhookSettings | undefined {
  const secrets = (config.MILLRACE_WEBHOOK_SECRET ?? []).map(readWebhookSecret);
  if (secrets.length === 0) return undefined;
  const url = config.MILLRACE_WEBHOOK_URL;
  return {
    operator: url === undefined ? null : { url, events: config.MILLRACE_WEBHOOK_EVENTS },
    secrets,
    post: createGuardedPost({ allowHosts: config.HTTP_ALLOW_HOSTS, timeoutMs: TIMEOUT_MS, now: Date.now }),
  };
}
