import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readConfig, VARIABLES } from '../../../config.ts';
import { DEFAULT_LAYOUT } from '../../../pipeline/layout.ts';

const CLOUDS = ['cloudflare', 'gcp'] as const;
const NAME = /\b(?:MILLRACE|S3|VIDEOS|RUNPOD|AWS|HMAC|R2|CLOUDFLARE|GOOGLE|PUBSUB)_[A-Z][A-Z_]*\b/g;

const read = (path: string) => readFileSync(new URL(`../../../infra/${path}`, import.meta.url), 'utf8');

/** What the outputs hand over, with `x` for whatever only an apply knows. */
function environmentOf(cloud: string): Record<string, string> {
  const assignments = [...read(`${cloud}/outputs.tf`).matchAll(/^ {4}([A-Z0-9_]+) += (.+)$/gm)];
  return Object.fromEntries(assignments.map(([, name = '', value = '']) => [name, literalOf(value)]));
}

function literalOf(expression: string): string {
  const text = expression
    .replaceAll('${local.queues_url}', 'https://api.cloudflare.com/client/v4/accounts/x/queues')
    // The provider's id of a subscription is its full name.
    .replace(/^google_pubsub_subscription\.\w+\.id$/, '"projects/x/subscriptions/x"');
  const [, literal] = /^"(.*)"$/.exec(text) ?? [];
  if (literal === undefined) throw new Error(`not understood: ${expression}`);
  return literal.replaceAll(/\$\{[^}]+\}/g, 'xxx');
}

describe.each(CLOUDS)('the Terraform for %s', (cloud) => {
  it('hands over no variable that the environment does not know, and the bucket and both queues', () => {
    const names = Object.keys(environmentOf(cloud));
    expect(names).toEqual(expect.arrayContaining(['VIDEOS_BUCKET', 'MILLRACE_QUEUE_URL', 'MILLRACE_DEAD_LETTER_QUEUE_URL']));
    expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining(names));
  });

  it('hands over values of the form that the environment takes', () => {
    expect(() => readConfig(environmentOf(cloud))).not.toThrow();
  });

  it('has a README that names no variable that the environment does not know', () => {
    const names = new Set(read(`${cloud}/README.md`).match(NAME));
    expect(names).toContain('RUNPOD_API_KEY');
    expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining([...names]));
  });

  it("notifies of the default jobs' prefix, with its slash, and of nothing that starts like it", () => {
    const [, prefix] = /pipelines_prefix = "(.*)"/.exec(read(`${cloud}/versions.tf`)) ?? [];
    expect(prefix).toBe(`${DEFAULT_LAYOUT.pipelinesPrefix}/`);
    expect(read(`${cloud}/bucket.tf`)).toMatch(/^ *(?:prefix|object_name_prefix) += local\.pipelines_prefix$/m);
  });
});

it('keeps presigned URLs on Google Cloud within what IAM signs where the account has no key', () => {
  expect(read('gcp/outputs.tf')).toContain('var.identity == "attached" ? local.attached_environment');
  expect(Number(environmentOf('gcp').MILLRACE_MAX_TTL_SECONDS)).toBe(12 * 3600);
});

describe('what nobody could read', () => {
  it.each([
    { cloud: 'gcp', file: 'queue.tf', pattern: /message_retention_duration += "\$\{(\d+) \* local\.day_seconds\}s"/g },
    { cloud: 'cloudflare', file: 'variables.tf', pattern: /retention_days"[^}]*?default += (\d+)/g },
    { cloud: 'aws', file: 'queue.tf', pattern: /message_retention_seconds += (\d+) \* local\.day_seconds/g },
  ])('is kept longer on $cloud than what is alive', ({ cloud, file, pattern }) => {
    const days = [...read(`${cloud}/${file}`).matchAll(pattern)].map(([, number]) => Number(number));
    expect(days).toEqual([4, 14]);
  });

  it.each(['aws', 'gcp'])('has an alarm on %s, and so has what waits', (cloud) => {
    const alarms = read(`${cloud}/alarms.tf`).match(/^resource "\w+" "(\w+)"/gm) ?? [];
    expect(alarms.map((line) => line.split('"')[3])).toEqual(['oldest_message', 'dead_letters']);
  });

  it('can be moved by Pub/Sub, whose own account is granted both halves of it', () => {
    const queue = read('gcp/queue.tf');
    expect(queue).toMatch(
      /topic += google_pubsub_topic\.dead_letters\.name\n +role += "roles\/pubsub\.publisher"\n +member = local\.pubsub_agent/,
    );
    expect(queue).toMatch(
      /subscription = google_pubsub_subscription\.events\.name\n +role += "roles\/pubsub\.subscriber"\n +member += local\.pubsub_agent/,
    );
  });
});
