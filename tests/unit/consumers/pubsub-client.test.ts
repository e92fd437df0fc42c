import { afterEach, expect, test, vi } from 'vitest';
import { readSubscription } from '../../../consumers/pubsub-calls.ts';
import { createPubsubClient, isTransient, pubsubError, statusOf } from '../../../consumers/pubsub-client.ts';

afterEach(() => void vi.unstubAllEnvs());

const answer = (code: number, words = 'its own words') => Object.assign(new Error(`${code} ${words}`), { code });

test('without credentials a call rejects each time, and nothing else is thrown', async () => {
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/key.json');
  const thrownElsewhere: unknown[] = [];
  const listen = (reason: unknown) => thrownElsewhere.push(reason);
  process.on('unhandledRejection', listen);
  const client = createPubsubClient({ projectId: 'p' });
  for (let attempt = 1; attempt <= 2; attempt++) {
    const error: unknown = await readSubscription(client, 'projects/p/subscriptions/abc').catch((thrown: unknown) => thrown);
    expect(pubsubError(error, 'to describe it')).toMatchObject({
      code: 'QUEUE_FORBIDDEN',
      message: 'No credentials for Google Cloud were found on this machine.',
    });
  }
  await new Promise(setImmediate);
  process.off('unhandledRejection', listen);
  expect(thrownElsewhere).toEqual([]);
  await client.close();
});

test.each([
  [5, 'NOT_FOUND', 'QUEUE_ERROR', false],
  [7, 'PERMISSION_DENIED', 'QUEUE_FORBIDDEN', false],
  [16, 'UNAUTHENTICATED', 'QUEUE_FORBIDDEN', false],
  [3, 'INVALID_ARGUMENT', 'QUEUE_ERROR', false],
  [14, 'UNAVAILABLE', 'QUEUE_UNREACHABLE', true],
  [4, 'DEADLINE_EXCEEDED', 'QUEUE_UNREACHABLE', true],
] as const)('the answer %i is %s and becomes %s', (code, status, ours, retryable) => {
  expect(statusOf(answer(code))).toBe(status);
  expect(isTransient(answer(code))).toBe(retryable);
  expect(pubsubError(answer(code), 'to receive')).toMatchObject({ code: ours, retryable });
});

test('no query string of a URL gets into an error', () => {
  const error = pubsubError(answer(14, 'see https://example.com/x?token=secret'), 'to receive');
  expect(error.message).toContain('https://example.com/x?…');
  expect(error.message).not.toContain('secret');
});
