import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isSettled,
  MAX_WEBHOOK_ATTEMPTS,
  MAX_WEBHOOK_DELAY_MS,
  nextWebhookStep,
  type SeenWebhook,
  type SeenWebhookClaim,
  WEBHOOK_CLAIM_PATIENCE_MS,
  webhookDelayMs,
} from '../../../pipeline/webhook-schedule.ts';

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 60 * 60_000;

const attempt = fc.integer({ min: 1, max: MAX_WEBHOOK_ATTEMPTS + 5 });
const outcomes = fc.uniqueArray(
  fc.record<SeenWebhook>({ attempt, outcome: fc.constantFrom('failed', 'failed', 'failed', 'delivered', 'refused') }),
  { selector: (one) => one.attempt, maxLength: 8 },
);
const claims = fc.uniqueArray(
  fc.record<SeenWebhookClaim>({ attempt, lastModifiedMs: fc.integer({ min: NOW_MS - HOUR_MS, max: NOW_MS + 60_000 }) }),
  { selector: (one) => one.attempt, maxLength: 8 },
);
const retryAtMs = fc.oneof(fc.constant(0), fc.integer({ min: NOW_MS - HOUR_MS, max: NOW_MS + HOUR_MS }));

describe('the next step of a webhook', () => {
  test.each<[string, SeenWebhook[], SeenWebhookClaim[], number, unknown]>([
    ['never tried', [], [], 0, { kind: 'send', attempt: 1, lost: 0 }],
    ['delivered', [{ attempt: 1, outcome: 'delivered' }], [], 0, { kind: 'settled' }],
    ['refused', [{ attempt: 1, outcome: 'refused' }], [], 0, { kind: 'settled' }],
    ['failed', [{ attempt: 1, outcome: 'failed' }], [], NOW_MS + 1, { kind: 'wait', untilMs: NOW_MS + 1 }],
    ['failed, and long enough ago', [{ attempt: 1, outcome: 'failed' }], [], NOW_MS, { kind: 'send', attempt: 2, lost: 0 }],
    ['failed for the last time', [{ attempt: MAX_WEBHOOK_ATTEMPTS, outcome: 'failed' }], [], 0, { kind: 'settled' }],
    [
      'claimed just now',
      [],
      [{ attempt: 1, lastModifiedMs: NOW_MS }],
      0,
      { kind: 'wait', untilMs: NOW_MS + WEBHOOK_CLAIM_PATIENCE_MS },
    ],
    [
      'claimed long ago',
      [],
      [{ attempt: 1, lastModifiedMs: NOW_MS - WEBHOOK_CLAIM_PATIENCE_MS }],
      0,
      { kind: 'send', attempt: 2, lost: 1 },
    ],
    [
      'claimed long ago for the last time',
      [{ attempt: 1, outcome: 'failed' }],
      [{ attempt: MAX_WEBHOOK_ATTEMPTS, lastModifiedMs: 0 }],
      0,
      { kind: 'give-up', lost: MAX_WEBHOOK_ATTEMPTS },
    ],
  ])('%s', (_, seen, claimed, retryMs, step) => {
    expect(nextWebhookStep(seen, claimed, retryMs, NOW_MS)).toEqual(step);
  });

  test('never makes an attempt a second time, nor more of them than there may be', () => {
    fc.assert(
      fc.property(outcomes, claims, retryAtMs, (seen, claimed, retryMs) => {
        const step = nextWebhookStep(seen, claimed, retryMs, NOW_MS);
        if (step.kind !== 'send') return;
        const known = [...seen, ...claimed].map((one) => one.attempt);
        expect(step.attempt).toBe(Math.max(0, ...known) + 1);
        expect(step.attempt).toBeLessThanOrEqual(MAX_WEBHOOK_ATTEMPTS);
        expect(isSettled(seen)).toBe(false);
      }),
    );
  });

  test('comes in the end, whatever was seen: waiting has a time, and that time brings another step', () => {
    fc.assert(
      fc.property(outcomes, claims, retryAtMs, (seen, claimed, retryMs) => {
        const step = nextWebhookStep(seen, claimed, retryMs, NOW_MS);
        if (step.kind !== 'wait') return;
        expect(step.untilMs).toBeGreaterThan(NOW_MS);
        expect(nextWebhookStep(seen, claimed, retryMs, step.untilMs).kind).not.toBe('wait');
      }),
    );
  });
});

describe('the delay', () => {
  test('doubles from ten seconds up to two hours, and all of them together are about a day', () => {
    const delays = Array.from({ length: MAX_WEBHOOK_ATTEMPTS - 1 }, (_, index) => webhookDelayMs(index + 1));
    expect(delays.slice(0, 4)).toEqual([10_000, 20_000, 40_000, 80_000]);
    expect(delays.at(-1)).toBe(MAX_WEBHOOK_DELAY_MS);
    const allHours = delays.reduce((sum, delayMs) => sum + delayMs, 0) / HOUR_MS;
    expect(allHours).toBeGreaterThan(18);
    expect(allHours).toBeLessThan(26);
  });

  test('is what the receiver asks for where that is longer, but no longer than two hours', () => {
    expect(webhookDelayMs(1, 60_000)).toBe(60_000);
    expect(webhookDelayMs(4, 60_000)).toBe(80_000);
    expect(webhookDelayMs(1, 24 * HOUR_MS)).toBe(MAX_WEBHOOK_DELAY_MS);
  });
});
