/** One attempt to send one webhook: claimed, made, and written down. */
import { type ErrorCode, withoutSecrets } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { WebhookAttempt, WebhookClaim, WebhookEvent, WebhookOutcome } from '../manifests/webhook-event.ts';
import type { PostOutcome } from '../storage/guarded-post.ts';
import type { Observed } from './observer.ts';
import type { ListingSource } from './take-listing.ts';
import type { Receiver, ReceiverRecord, WebhookSettings } from './webhook-receivers.ts';
import { MAX_WEBHOOK_ATTEMPTS, webhookDelayMs } from './webhook-schedule.ts';
import { webhookHeaders } from './webhook-signature.ts';

export interface WebhookTeller extends ListingSource, Observed {
  /** Nothing is told without. */
  readonly webhooks?: WebhookSettings;
  readonly consumerId: string;
  readonly now: () => number;
  readonly log: Logger;
}

export interface Webhook {
  readonly event: WebhookEvent;
  readonly to: ReceiverRecord;
  /** `null` where nobody names it any more. */
  readonly receiver: Receiver | null;
}

interface Ending {
  readonly outcome: WebhookOutcome;
  readonly status?: number;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
  readonly retryAfterMs?: number;
}

/** `null` where somebody else makes this attempt. Never rejects for what the receiver does. */
export async function makeAttempt(
  source: WebhookTeller,
  { post }: WebhookSettings,
  webhook: Webhook,
  attempt: number,
): Promise<WebhookAttempt | null> {
  const { job, id } = webhook.event;
  const claimedAt = new Date(source.now()).toISOString();
  const claim: WebhookClaim = {
    ...{ version: 1, consumer: source.consumerId, claimed_at: claimedAt },
    ...webhook.to,
    event: webhook.event,
  };
  const claimed = await source.store.createIfAbsent(source.layout.webhookClaimKey(job, { id, attempt }), JSON.stringify(claim), {
    contentType: 'application/json',
  });
  if (!claimed) return null;
  const sentAtMs = source.now();
  // From here on it is made and written down, also where the consumer is told to stop: nobody could tell whether it was sent.
  if (webhook.receiver === null) return writeAttempt(source, webhook, attempt, sentAtMs, NOBODY);
  const body = Buffer.from(JSON.stringify(webhook.event));
  const { url, secrets } = webhook.receiver;
  const answer = await post({ url, headers: webhookHeaders(secrets, id, sentAtMs, body), body });
  return writeAttempt(source, webhook, attempt, sentAtMs, endingOf(answer, webhook.to.origin));
}

/** Its consumer claimed it and never said how it went. */
export async function recordLost(source: WebhookTeller, webhook: Webhook, attempt: number): Promise<void> {
  const message = 'the consumer that was to send it has gone; it may have been sent';
  await writeAttempt(source, webhook, attempt, source.now(), { outcome: 'failed', error: { code: 'WEBHOOK_FAILED', message } });
}

const NOBODY: Ending = {
  outcome: 'refused',
  error: { code: 'WEBHOOK_REFUSED', message: 'the settings, or webhooks.json, no longer name this receiver' },
};

/** Request Timeout, Too Early, Too Many Requests: like a server's own failures, they may mend. */
const MAY_MEND: ReadonlySet<number> = new Set([408, 425, 429]);

function endingOf(answer: PostOutcome, origin: string): Ending {
  if (answer.kind !== 'answered') {
    const [outcome, code] =
      answer.kind === 'refused' ? (['refused', 'WEBHOOK_REFUSED'] as const) : (['failed', 'WEBHOOK_FAILED'] as const);
    return { outcome, error: { code, message: withoutSecrets(answer.error.message) } };
  }
  const { status, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return { outcome: 'delivered', status };
  const message = `${origin} answered ${status}`;
  if (status >= 500 || MAY_MEND.has(status)) {
    const asked = retryAfterMs === undefined ? {} : { retryAfterMs };
    return { outcome: 'failed', status, error: { code: 'WEBHOOK_FAILED', message }, ...asked };
  }
  return { outcome: 'refused', status, error: { code: 'WEBHOOK_REFUSED', message } };
}

async function writeAttempt(
  source: WebhookTeller,
  { event, to }: Webhook,
  attempt: number,
  sentAtMs: number,
  { outcome, status, error, retryAfterMs }: Ending,
): Promise<WebhookAttempt> {
  const nowMs = source.now();
  const isTriedAgain = outcome === 'failed' && attempt < MAX_WEBHOOK_ATTEMPTS;
  const record: WebhookAttempt = {
    ...{ version: 1, id: event.id, attempt, outcome, ...to },
    ...(status === undefined ? {} : { status_code: status }),
    ...(error === undefined ? {} : { error }),
    sent_at: new Date(sentAtMs).toISOString(),
    duration_ms: nowMs - sentAtMs,
    ...(isTriedAgain ? { retry_at: new Date(nowMs + webhookDelayMs(attempt, retryAfterMs)).toISOString() } : {}),
    event,
  };
  const key = source.layout.webhookKey(event.job, { id: event.id, attempt }, outcome);
  await source.store.createIfAbsent(key, `${JSON.stringify(record, null, 2)}\n`, { contentType: 'application/json' });
  source.observe?.('webhook sent', { event: event.event, outcome });
  const { job, stage } = event;
  const about = { job, stage, webhook: event.id, event: event.event, attempt, to: to.origin, status, code: error?.code };
  if (outcome === 'delivered') source.log.info(about, 'webhook delivered');
  else source.log.warn({ ...about, reason: error?.message, retryAt: record.retry_at }, `webhook ${outcome}`);
  return record;
}
