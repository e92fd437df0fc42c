/**
 * Signing, as the open specification Standard Webhooks 1.0.0 has it (https://www.standardwebhooks.com), so that receivers can use any of
 * its libraries: HMAC-SHA256 over `<id>.<timestamp>.<body>`.
 */
import { createHmac } from 'node:crypto';

const SECRET_PREFIX = 'whsec_';

/** `secrets`: raw keys. More than one while a secret is being replaced: a receiver takes whichever signature it can check. */
export function webhookHeaders(
  secrets: readonly Uint8Array[],
  id: string,
  sentAtMs: number,
  body: Uint8Array,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(sentAtMs / 1000));
  const signatures = secrets.map((secret) => {
    const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64');
    return `v1,${signature}`;
  });
  return {
    'content-type': 'application/json',
    'user-agent': 'millrace',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}

/** The raw key of `whsec_<base64>`. */
export function readWebhookSecret(text: string): Uint8Array {
  return Buffer.from(text.startsWith(SECRET_PREFIX) ? text.slice(SECRET_PREFIX.length) : text, 'base64');
}

export const writeWebhookSecret = (secret: Uint8Array): string => `${SECRET_PREFIX}${Buffer.from(secret).toString('base64')}`;

/**
 * What a job's own webhooks are signed with. Whoever checks a signature could also make one: with the operator's secret itself, the receiver
 * of one job could speak for every other.
 */
export function secretOfJob(secret: Uint8Array, job: string): Uint8Array {
  return createHmac('sha256', secret).update(`webhooks of the job ${job}`).digest();
}
