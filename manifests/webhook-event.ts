/** What a webhook says: the body that is sent, and the object that keeps how each attempt to send it went. */
import { z } from 'zod';
import { AttemptNumber } from './numbers.ts';
import { Timestamp } from './timestamp.ts';
import { WebhookEventName } from './webhooks.ts';

const Count = z.int().min(0);

export const WebhookEvent = z
  .object({
    version: z.literal(1),
    id: z.string().describe('The same whenever the same end is told again: drop what you have had.'),
    event: WebhookEventName,
    job: z.string(),
    stage: z.string().optional().describe('Which stage has ended; only for stage.ended.'),
    state: z.enum(['done', 'failed', 'cancelled']),
    counts: z
      .object({ total: Count, done: Count, removed: Count, failed: Count, cancelled: Count, waiting: Count })
      .describe('Items. removed: made, and deleted since. waiting: never begun, because something before them failed.'),
    outputs: z
      .array(z.string())
      .describe("URIs of outputs that are there, the last stages' first; no more than fifty (counts.done says how many)."),
    errors: z
      .array(
        z.object({
          code: z.string(),
          message: z.string(),
          stage: z.string().optional(),
          item: z.string().optional(),
          keys: z.array(z.string()).optional().describe("The keys that a problem is about, relative to the job's folder."),
        }),
      )
      .describe('Problems and failed items; no more than twenty (counts.failed says how many items).'),
    at: Timestamp.describe('When the end was first seen.'),
  })
  .meta({ id: 'WebhookEvent' });
export type WebhookEvent = z.infer<typeof WebhookEvent>;

export const WEBHOOK_OUTCOMES = ['delivered', 'failed', 'refused'] as const;
/** `failed`: it may be tried again. `refused`: trying again would not help. */
export type WebhookOutcome = (typeof WEBHOOK_OUTCOMES)[number];

/** Who is told, without what may be secret. */
const Receiver = z.object({
  receiver: z.enum(['operator', 'job']).describe("Whose URL it is: the operator's, or the one in webhooks.json."),
  origin: z.string().describe('Of the URL. The rest may hold a token, and is not kept.'),
  url_digest: z
    .string()
    .optional()
    .describe("Of a job's URL: tells whether webhooks.json still names the one that this went to."),
});

/**
 * `pipelines-state/webhooks/<job>/<id>.<attempt>`: who makes the attempt, and what it sends. Whatever is sent later is read from here: whoever
 * may write into the job's folder could put other words into what this deployment signs.
 */
export const WebhookClaim = z.object({
  version: z.literal(1),
  consumer: z.string(),
  claimed_at: Timestamp,
  ...Receiver.shape,
  event: WebhookEvent,
});
export type WebhookClaim = z.infer<typeof WebhookClaim>;

/** `webhooks/<id>.<attempt>.<outcome>.json` */
export const WebhookAttempt = z.object({
  version: z.literal(1),
  id: z.string(),
  attempt: AttemptNumber,
  outcome: z.enum(WEBHOOK_OUTCOMES),
  ...Receiver.shape,
  status_code: z.int().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  sent_at: Timestamp,
  duration_ms: z.number().min(0),
  retry_at: Timestamp.optional().describe('Not tried again before.'),
  event: WebhookEvent,
});
export type WebhookAttempt = z.infer<typeof WebhookAttempt>;
