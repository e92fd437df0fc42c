import { expect, test } from 'vitest';
import { type CloudflareClient, createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import { createPolicyReader } from '../../../consumers/cloudflare-policy.ts';
import { MillraceError } from '../../../errors.ts';
import { createLogger } from '../../../log.ts';

const MINUTE_MS = 60_000;
const dead: CloudflareClient = createCloudflareClient({ queueUrl: 'https://api.example/accounts/a/queues/dead', token: 't' });

function reading(deadLetterQueue: string | undefined) {
  const state = { reads: 0, failure: undefined as MillraceError | undefined, maxRetries: 3, nowMs: 0, lines: [] as string[] };
  const client: Pick<CloudflareClient, 'settings' | 'sibling'> = {
    settings: async () => {
      state.reads += 1;
      if (state.failure !== undefined) throw state.failure;
      return {
        name: 'events',
        paused: false,
        retentionSeconds: undefined,
        pullable: true,
        maxRetries: state.maxRetries,
        deadLetterQueue,
      };
    },
    sibling: async (name) => (name === 'dead' ? dead : undefined),
  };
  const log = createLogger({
    level: 'warn',
    name: 'test',
    stream: { write: (text) => state.lines.push(JSON.parse(text).message) },
  });
  return { state, reader: createPolicyReader({ client, log, nowMs: () => state.nowMs }) };
}

test('it is read once for all who ask, and again after ten minutes', async () => {
  const { state, reader } = reading('dead');
  expect(await Promise.all([reader.read(), reader.read()])).toEqual(Array(2).fill({ maxRetries: 3, deadLetterClient: dead }));
  state.maxRetries = 5;
  state.nowMs += 9 * MINUTE_MS;
  expect(await reader.read()).toMatchObject({ maxRetries: 3 });
  expect(state.reads).toBe(1);
  state.nowMs += MINUTE_MS;
  expect(await reader.read()).toMatchObject({ maxRetries: 5 });
  expect(state.lines).toEqual([]);
});

test('what cannot be read is unknown, said once, and tried again soon; what is known stays known', async () => {
  const { state, reader } = reading('dead');
  state.failure = new MillraceError('QUEUE_UNREACHABLE', 'away');
  expect([await reader.read(), await reader.read()]).toEqual([undefined, undefined]);
  state.nowMs += 5_000;
  expect(await reader.read()).toBeUndefined();
  expect({ reads: state.reads, lines: state.lines.length }).toEqual({ reads: 2, lines: 1 });

  state.failure = undefined;
  state.nowMs += 5_000;
  expect(await reader.read()).toMatchObject({ maxRetries: 3 });
  state.failure = new MillraceError('QUEUE_FORBIDDEN', 'no');
  state.nowMs += 10 * MINUTE_MS;
  expect(await reader.read()).toEqual({ maxRetries: 3, deadLetterClient: dead });
});

test('a queue that deletes what fails too often is said once', async () => {
  const { state, reader } = reading(undefined);
  expect(await reader.read()).toEqual({ maxRetries: 3, deadLetterClient: undefined });
  state.nowMs += 10 * MINUTE_MS;
  await reader.read();
  expect(state.lines).toEqual(['the queue has no dead-letter queue: it deletes what was retried too often']);
});

test('a dead-letter queue that is not in the account is none', async () => {
  expect(await reading('elsewhere').reader.read()).toEqual({ maxRetries: 3, deadLetterClient: undefined });
});
