/**
 * Tells the ends of a job and of its stages to whoever asked for it. Level-triggered like everything else: what has ended is read off the
 * plan, what was told is read off the bucket, and the difference is sent. An attempt is claimed before it is made, so that of several
 * consumers one makes it; how it went is written into the job's folder.
 */
import { MillraceError } from '../errors.ts';
import type { WebhookAttempt, WebhookClaim, WebhookEvent } from '../manifests/webhook-event.ts';
import { endsOf } from './ends.ts';
import { digestOf } from './fingerprint.ts';
import type { PlannedJob } from './job-plan.ts';
import { inParallel } from './parallel.ts';
import type { PlannedProblem } from './plan-types.ts';
import { versionOf } from './snapshot.ts';
import { makeAttempt, recordLost, type Webhook, type WebhookTeller } from './webhook-attempt.ts';
import { isSameReceiver, type Receiver, receiversOf, recordOf, type WebhookSettings } from './webhook-receivers.ts';
import { listWebhooks, readLastAttempt, readLastClaim, type SeenWebhooks } from './webhook-records.ts';
import { isSettled, MAX_WEBHOOK_DELAY_MS, nextWebhookStep, WEBHOOK_CLAIM_PATIENCE_MS } from './webhook-schedule.ts';

const SENDS_AT_ONCE = 4;

interface Owed {
  readonly id: string;
  /** `null` for an earlier end, which the job has gone on from: its last attempt tells the rest. */
  readonly current: { readonly event: Omit<WebhookEvent, 'at'>; readonly receiver: Receiver } | null;
}

/** What the listing does not show as settled. */
function owedWebhooks(settings: WebhookSettings, planned: PlannedJob): Owed[] {
  const { plan, snapshot } = planned;
  const receivers = receiversOf(settings, plan.job, plan.webhooks);
  const ends = receivers.length === 0 ? [] : endsOf(planned);
  const current = receivers.flatMap((receiver) => {
    const asked = ends.filter(({ event }) => receiver.events.includes(event.event));
    return asked.map(({ event, identity }): Owed => {
      const id = digestOf([plan.job, receiver.record.receiver, receiver.record.url_digest ?? '', identity]);
      return { id, current: { event: { version: 1, id, ...event }, receiver } };
    });
  });
  const ids = new Set(current.map(({ id }) => id));
  const earlier = [...snapshot.webhooks.keys()].filter((id) => !ids.has(id)).map((id): Owed => ({ id, current: null }));
  return [...current, ...earlier].filter(({ id }) => !isSettled(snapshot.webhooks.get(id) ?? []));
}

/** True where something has ended and nobody has tried to tell it: its event was lost, perhaps. */
export function isUntold({ webhooks }: Pick<WebhookTeller, 'webhooks'>, planned: PlannedJob): boolean {
  return webhooks !== undefined && owedWebhooks(webhooks, planned).some(({ id }) => !planned.snapshot.webhooks.has(id));
}

/** A job that names a receiver where the operator has set no secret to sign with: said once, and nothing is sent unsigned. */
export function unsignable({ webhooks }: Pick<WebhookTeller, 'webhooks'>, { plan, snapshot }: PlannedJob): PlannedProblem[] {
  const object = snapshot.objects.get('webhooks.json');
  if (webhooks !== undefined || plan.webhooks === null || object === undefined) return [];
  const name = `webhooks.json.${versionOf(object)}`;
  return [
    {
      ...{ name, code: 'WEBHOOKS_DISABLED', keys: ['webhooks.json'], errors: [], known: snapshot.problems.has(name) },
      message: 'webhooks.json: this deployment has no secret to sign webhooks with, so it sends none.',
      fix: 'Delete webhooks.json, or ask the operator to set MILLRACE_WEBHOOK_SECRET.',
    },
  ];
}

/**
 * Answers when the job must be looked at again for them, in milliseconds since 1970; `null` where nothing is left to tell. What goes wrong with
 * a receiver becomes an outcome; throws only where the bucket could not be read or written.
 */
export async function tellEnds(source: WebhookTeller, planned: PlannedJob, signal?: AbortSignal): Promise<number | null> {
  const { webhooks: settings } = source;
  const owed = settings === undefined ? [] : owedWebhooks(settings, planned);
  if (settings === undefined || owed.length === 0) return null;
  const seen = await listWebhooks(source, planned.plan.job, signal);
  const looksMs: number[] = [];
  await inParallel(SENDS_AT_ONCE, owed, async (one) => {
    signal?.throwIfAborted();
    const lookMs = await tell(source, settings, planned, one, seen, signal);
    if (lookMs !== null) looksMs.push(lookMs);
  });
  return looksMs.length === 0 ? null : Math.min(...looksMs);
}

async function tell(
  source: WebhookTeller,
  settings: WebhookSettings,
  { plan }: PlannedJob,
  { id, current }: Owed,
  seen: SeenWebhooks,
  signal?: AbortSignal,
): Promise<number | null> {
  const outcomes = seen.outcomes.get(id) ?? [];
  const claims = seen.claims.get(id) ?? [];
  const nowMs = source.now();
  const last = await readLastAttempt(source, plan.job, id, outcomes, signal);
  const retryAtMs = last?.retry_at === undefined ? 0 : Math.min(Date.parse(last.retry_at), nowMs + MAX_WEBHOOK_DELAY_MS);
  const step = nextWebhookStep(outcomes, claims, retryAtMs, nowMs);
  if (step.kind === 'settled') return null;
  if (step.kind === 'wait') return step.untilMs;
  const claim = await readLastClaim(source, plan.job, id, claims, signal);
  const webhook = claim === null ? firstOf(source, current) : again(settings, plan, claim);
  if (webhook === null) return null;
  if (step.lost > 0) await recordLost(source, webhook, step.lost);
  if (step.kind === 'give-up') return null;
  const attempt = await makeAttempt(source, settings, webhook, step.attempt);
  // Somebody else makes it, and may die doing so.
  if (attempt === null) return source.now() + WEBHOOK_CLAIM_PATIENCE_MS;
  return attempt.retry_at === undefined ? null : Date.parse(attempt.retry_at);
}

function firstOf(source: WebhookTeller, current: Owed['current']): Webhook | null {
  if (current === null) return null;
  const event = { ...current.event, at: new Date(source.now()).toISOString() };
  return { event, to: current.receiver.record, receiver: current.receiver };
}

/** Every attempt says the same, also where the job has gone on since. */
function again(
  settings: WebhookSettings,
  { job, webhooks }: Pick<PlannedJob['plan'], 'job' | 'webhooks'>,
  claim: WebhookClaim,
): Webhook {
  const receiver = receiversOf(settings, job, webhooks).find(({ record }) => isSameReceiver(record, claim));
  return { event: claim.event, to: receiver?.record ?? recordOf(claim), receiver: receiver ?? null };
}

/** Consumers may take the next number at the same moment. */
const MAX_REPLAY_TRIES = 5;

/**
 * Sends one again now, whatever became of it. Throws USAGE where the job has none of this id, CONFIG_INVALID where the settings do not say where
 * to, or nothing could sign it.
 */
export async function replayWebhook(
  source: WebhookTeller,
  { job, webhooks: own }: Pick<PlannedJob['plan'], 'job' | 'webhooks'>,
  id: string,
  signal?: AbortSignal,
): Promise<WebhookAttempt> {
  const { webhooks: settings } = source;
  if (settings === undefined)
    throw new MillraceError('CONFIG_INVALID', 'there is no MILLRACE_WEBHOOK_SECRET to sign webhooks with');
  for (let tries = 1; tries <= MAX_REPLAY_TRIES; tries += 1) {
    const { claims, outcomes } = await listWebhooks(source, job, signal);
    const known = claims.get(id) ?? [];
    const claim = await readLastClaim(source, job, id, known, signal);
    if (claim === null) {
      throw new MillraceError('USAGE', `${job} has no webhook ${JSON.stringify(id)} that was ever sent`, {
        fix: `\`millrace webhooks ${job}\` lists those that it has.`,
      });
    }
    // Where the job names another URL by now, that one is meant.
    const receiver = receiversOf(settings, job, own).find(({ record }) => record.receiver === claim.receiver);
    if (receiver === undefined) {
      throw claim.receiver === 'operator'
        ? new MillraceError('CONFIG_INVALID', 'there is no MILLRACE_WEBHOOK_URL to send it to')
        : new MillraceError('USAGE', `${job} has no webhooks.json that says where to send it`);
    }
    const highest = Math.max(...[...known, ...(outcomes.get(id) ?? [])].map(({ attempt }) => attempt));
    const attempt = await makeAttempt(source, settings, { event: claim.event, to: receiver.record, receiver }, highest + 1);
    if (attempt !== null) return attempt;
  }
  throw new MillraceError('WEBHOOK_FAILED', `others are sending the webhook ${id} at this moment`);
}
