/** What is kept of a job's webhooks: claims with what was sent, and how each attempt went. */
import { WebhookAttempt, WebhookClaim } from '../manifests/webhook-event.ts';
import { parseWebhookName, WEBHOOKS } from './layout.ts';
import { inParallel } from './parallel.ts';
import { readDocument } from './read-document.ts';
import { type ListingSource, takeWebhook } from './take-listing.ts';
import type { SeenWebhook, SeenWebhookClaim } from './webhook-schedule.ts';

const REQUESTS_AT_ONCE = 8;

export interface SeenWebhooks {
  readonly claims: ReadonlyMap<string, readonly SeenWebhookClaim[]>;
  readonly outcomes: ReadonlyMap<string, readonly SeenWebhook[]>;
}

/** Claims first: an outcome is written after its claim, so that read the other way round a finished attempt could look lost. */
export async function listWebhooks({ store, layout }: ListingSource, job: string, signal?: AbortSignal): Promise<SeenWebhooks> {
  const options = signal === undefined ? {} : { signal };
  const claims = new Map<string, SeenWebhookClaim[]>();
  const prefix = layout.webhookClaimPrefix(job);
  for await (const page of store.list(prefix, options)) {
    for (const { key, lastModifiedMs } of page) {
      const name = parseWebhookName(key.slice(prefix.length));
      if (name === null) continue;
      claims.set(name.id, [...(claims.get(name.id) ?? []), { attempt: name.attempt, lastModifiedMs }]);
    }
  }
  const outcomes = new Map<string, SeenWebhook[]>();
  const folder = layout.jobFolder(job);
  for await (const page of store.list(folder + WEBHOOKS, options)) {
    for (const { key } of page) takeWebhook(outcomes, key.slice(folder.length));
  }
  return { claims, outcomes };
}

/** How the last attempt went that is known; `null` where that cannot be read. */
export async function readLastAttempt(
  source: ListingSource,
  job: string,
  id: string,
  outcomes: readonly SeenWebhook[],
  signal?: AbortSignal,
): Promise<WebhookAttempt | null> {
  const [last] = outcomes.toSorted((a, b) => b.attempt - a.attempt);
  if (last === undefined) return null;
  return readDocument(source, source.layout.webhookKey(job, { id, attempt: last.attempt }, last.outcome), WebhookAttempt, signal);
}

export async function readLastClaim(
  source: ListingSource,
  job: string,
  id: string,
  claims: readonly SeenWebhookClaim[],
  signal?: AbortSignal,
): Promise<WebhookClaim | null> {
  const attempt = Math.max(0, ...claims.map((claim) => claim.attempt));
  if (attempt === 0) return null;
  return readDocument(source, source.layout.webhookClaimKey(job, { id, attempt }), WebhookClaim, signal);
}

export interface ToldWebhook {
  /** The last attempt of which is known how it went. */
  readonly last: WebhookAttempt;
  /** Attempts with an outcome. */
  readonly attempts: number;
}

/** Every webhook of a job that there was an attempt to send, the latest first. */
export async function toldWebhooks(source: ListingSource, job: string, signal?: AbortSignal): Promise<ToldWebhook[]> {
  const { outcomes } = await listWebhooks(source, job, signal);
  const told: ToldWebhook[] = [];
  await inParallel(REQUESTS_AT_ONCE, [...outcomes], async ([id, seen]) => {
    const last = await readLastAttempt(source, job, id, seen, signal);
    if (last !== null) told.push({ last, attempts: new Set(seen.map(({ attempt }) => attempt)).size });
  });
  return told.sort((a, b) => (a.last.sent_at < b.last.sent_at ? 1 : -1));
}
