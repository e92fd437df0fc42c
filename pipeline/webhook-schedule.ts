/** When one webhook is sent, and sent again. Pure. */
import type { WebhookOutcome } from '../manifests/webhook-event.ts';

const FIRST_DELAY_MS = 10_000;
export const MAX_WEBHOOK_DELAY_MS = 2 * 60 * 60_000;
/** Spread over about 21 hours by the delays above. */
export const MAX_WEBHOOK_ATTEMPTS = 20;
/** A claim without an outcome, past this: its consumer died. Much longer than sending and writing down may take. */
export const WEBHOOK_CLAIM_PATIENCE_MS = 2 * 60_000;

/** How long after its `attempt`-th failure a webhook is sent again; `askedMs` is what the receiver asked for. */
export function webhookDelayMs(attempt: number, askedMs = 0): number {
  return Math.min(MAX_WEBHOOK_DELAY_MS, Math.max(askedMs, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 20)));
}

export interface SeenWebhook {
  readonly attempt: number;
  readonly outcome: WebhookOutcome;
}

export interface SeenWebhookClaim {
  readonly attempt: number;
  readonly lastModifiedMs: number;
}

export type WebhookStep =
  | { readonly kind: 'settled' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** `lost`: the attempt before it, whose outcome nobody wrote; 0 where there is none. */
  | { readonly kind: 'send'; readonly attempt: number; readonly lost: number }
  /** The last attempt was lost. */
  | { readonly kind: 'give-up'; readonly lost: number };

/** True where outcomes alone say that nothing is left to do. */
export function isSettled(outcomes: readonly SeenWebhook[]): boolean {
  return outcomes.some(({ attempt, outcome }) => outcome !== 'failed' || attempt >= MAX_WEBHOOK_ATTEMPTS);
}

/** `outcomes` must have been listed after `claims`. `retryAtMs` is what the last outcome says. */
export function nextWebhookStep(
  outcomes: readonly SeenWebhook[],
  claims: readonly SeenWebhookClaim[],
  retryAtMs: number,
  nowMs: number,
): WebhookStep {
  if (isSettled(outcomes)) return { kind: 'settled' };
  const told = Math.max(0, ...outcomes.map(({ attempt }) => attempt));
  const open = claims.filter(({ attempt }) => attempt > told).toSorted((a, b) => b.attempt - a.attempt)[0];
  if (open === undefined) {
    return retryAtMs > nowMs ? { kind: 'wait', untilMs: retryAtMs } : { kind: 'send', attempt: told + 1, lost: 0 };
  }
  const patientUntilMs = open.lastModifiedMs + WEBHOOK_CLAIM_PATIENCE_MS;
  if (patientUntilMs > nowMs) return { kind: 'wait', untilMs: patientUntilMs };
  if (open.attempt >= MAX_WEBHOOK_ATTEMPTS) return { kind: 'give-up', lost: open.attempt };
  return { kind: 'send', attempt: open.attempt + 1, lost: open.attempt };
}
