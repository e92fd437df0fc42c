import { describe, expect, test } from 'vitest';
import { readWebhookSecret, secretOfJob, webhookHeaders, writeWebhookSecret } from '../../../pipeline/webhook-signature.ts';

/** The example that the specification's own libraries are tested with. */
const EXAMPLE = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  sentAtMs: 1_614_265_330_999,
  body: Buffer.from('{"test": 2432232314}'),
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

describe('the headers of a webhook', () => {
  const { secret, id, sentAtMs, body, signature } = EXAMPLE;

  test("carry the signature of the specification's own example", () => {
    expect(webhookHeaders([readWebhookSecret(secret)], id, sentAtMs, body)).toEqual({
      'content-type': 'application/json',
      'user-agent': 'millrace',
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': signature,
    });
  });

  test('carry a signature for every secret, while one replaces the other', () => {
    const other = Buffer.alloc(24, 7);
    const headers = webhookHeaders([other, readWebhookSecret(secret)], id, sentAtMs, body);
    const [first, second] = headers['webhook-signature']?.split(' ') ?? [];
    expect(first).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
    expect(second).toBe(signature);
  });
});

test('a secret is the same with and without whsec_, and is written as it is read', () => {
  const key = readWebhookSecret(EXAMPLE.secret);
  expect(Buffer.from(readWebhookSecret(EXAMPLE.secret.replace('whsec_', '')))).toEqual(Buffer.from(key));
  expect(writeWebhookSecret(key)).toBe(EXAMPLE.secret);
});

test("a job's secret is always the same, is no other job's, and is long enough", () => {
  const key = readWebhookSecret(EXAMPLE.secret);
  expect(secretOfJob(key, 'talk-1')).toEqual(secretOfJob(key, 'talk-1'));
  expect(secretOfJob(key, 'talk-1')).not.toEqual(secretOfJob(key, 'talk-2'));
  expect(secretOfJob(key, 'talk-1').length).toBeGreaterThanOrEqual(24);
});
