import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createCloudflareClient } from '../../../consumers/cloudflare-client.ts';
import type { MillraceError } from '../../../errors.ts';

const QUEUE_URL = 'https://api.cloudflare.com/client/v4/accounts/acc/queues/q1';
const TOKEN = 'secret-token-1234567890';

interface Call {
  readonly url: string;
  readonly method: string | undefined;
  readonly authorization: string | null;
  readonly body: unknown;
}

function answering(...answers: readonly (() => Response | Promise<Response>)[]) {
  const calls: Call[] = [];
  const answer: typeof fetch = async (input, init) => {
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
    calls.push({
      url: String(input),
      method: init?.method,
      authorization: new Headers(init?.headers).get('authorization'),
      body,
    });
    return await (answers[calls.length - 1] ?? answers.at(-1) ?? expect.unreachable('no answer'))();
  };
  return { client: createCloudflareClient({ queueUrl: QUEUE_URL, token: TOKEN, fetch: answer, timeoutMs: 1_000 }), calls };
}

const ok = (result: unknown) => () => Response.json({ success: true, errors: [], messages: [], result });
const refused =
  (status: number, message: string, headers = {}) =>
  () =>
    Response.json({ success: false, errors: [{ code: 1, message }], messages: [], result: null }, { status, headers });

async function failureOf(promise: Promise<unknown>): Promise<MillraceError> {
  return await promise.then(
    () => expect.unreachable('it succeeded'),
    (thrown: MillraceError) => thrown,
  );
}

test('requests are those of the API reference', async () => {
  const { client, calls } = answering(ok({}));
  await client.pull(10, 30_000);
  await client.settle(['a'], [{ leaseId: 'b', delaySeconds: 5 }]);
  await client.extend('c', 60_000);
  await client.peek(20);
  await client.purge(['r']);
  await client.send('one', { delaySeconds: 3 });
  await client.sendBatch(['one', 'two']);
  expect(calls.map(({ url, body }) => [url.slice(QUEUE_URL.length), body])).toEqual([
    ['/messages/pull', { batch_size: 10, visibility_timeout_ms: 30_000 }],
    ['/messages/ack', { acks: [{ lease_id: 'a' }], retries: [{ lease_id: 'b', delay_seconds: 5 }] }],
    ['/messages/extend', { extend: [{ lease_id: 'c' }], visibility_timeout_ms: 60_000 }],
    ['/messages/peek', { batch_size: 20 }],
    ['/messages/purge', { refs: [{ ref: 'r' }] }],
    ['/messages', { body: 'one', content_type: 'text', delay_seconds: 3 }],
    [
      '/messages/batch',
      {
        messages: [
          { body: 'one', content_type: 'text' },
          { body: 'two', content_type: 'text' },
        ],
      },
    ],
  ]);
  expect(new Set(calls.map(({ method }) => method))).toEqual(new Set(['POST']));
  expect(new Set(calls.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${TOKEN}`]));
});

test('settings are read from the queue and its consumers', async () => {
  const { client, calls } = answering(
    ok({ queue_name: 'events', settings: { delivery_paused: false } }),
    ok([{ type: 'http_pull', dead_letter_queue: 'dead', settings: { max_retries: 4 } }]),
  );
  expect(await client.settings()).toMatchObject({
    name: 'events',
    paused: false,
    pullable: true,
    maxRetries: 4,
    deadLetterQueue: 'dead',
  });
  expect(calls.map(({ url, method }) => [url, method])).toEqual([
    [QUEUE_URL, 'GET'],
    [`${QUEUE_URL}/consumers`, 'GET'],
  ]);
});

test('another queue of the account is found by its name', async () => {
  const { client, calls } = answering(ok([{ queue_id: 'd2', queue_name: 'dead' }]), ok({}), ok([]));
  await (await client.sibling('dead'))?.send('x');
  expect(await client.sibling('nobody')).toBeUndefined();
  expect(calls.map(({ url }) => url)).toEqual([
    'https://api.cloudflare.com/client/v4/accounts/acc/queues',
    'https://api.cloudflare.com/client/v4/accounts/acc/queues/d2/messages',
    'https://api.cloudflare.com/client/v4/accounts/acc/queues',
  ]);
});

describe('what went wrong', () => {
  test.each([
    [401, 'Authentication error', 'QUEUE_FORBIDDEN'],
    [403, 'not entitled', 'QUEUE_FORBIDDEN'],
    [405, 'Method Not Allowed', 'QUEUE_NOT_PULLABLE'],
    [409, 'queue_delivery_paused', 'QUEUE_PAUSED'],
    [409, 'something else', 'QUEUE_ERROR'],
    [404, 'Queue not found', 'QUEUE_ERROR'],
    [400, 'bad', 'QUEUE_ERROR'],
    [413, 'too large', 'QUEUE_ERROR'],
    [408, 'slow', 'QUEUE_UNREACHABLE'],
    [500, 'oops', 'QUEUE_UNREACHABLE'],
    [503, 'away', 'QUEUE_UNREACHABLE'],
  ])('%i "%s" is %s', async (status, message, code) => {
    const error = await failureOf(answering(refused(status, message)).client.pull(1, 1));
    expect(error).toMatchObject({ code, context: { status } });
    expect(error.message).toContain(message);
  });

  test.each([
    ['7', 7_000],
    ['86400', 3_600_000],
    [new Date(Date.now() - 5_000).toUTCString(), 0],
    ['soon', undefined],
  ])('429 with retry-after %s', async (header, retryAfterMs) => {
    const error = await failureOf(answering(refused(429, 'slow down', { 'retry-after': header })).client.pull(1, 1));
    expect(error).toMatchObject({ code: 'QUEUE_BUSY', retryable: true });
    expect(error.context.retryAfterMs).toBe(retryAfterMs);
  });

  test('success: false is an error whatever the status', async () => {
    expect(await failureOf(answering(refused(200, 'no')).client.peek(1))).toMatchObject({ code: 'QUEUE_ERROR' });
  });

  test.each([
    ['a page of a gateway', () => new Response('<html>', { status: 200 })],
    ['a page of a gateway that failed', () => new Response('<html>', { status: 502 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.example' } })],
    ['an answer of another shape', () => Response.json({ success: true, result: { messages: 'x' } })],
  ])('%s is no usable answer', async (_what, answer) => {
    expect(await failureOf(answering(answer).client.pull(1, 1))).toMatchObject({ code: 'QUEUE_UNREACHABLE', retryable: true });
  });

  test('an answer that does not come in time', async () => {
    const never: typeof fetch = async (_input, init) => {
      const signal = init?.signal ?? expect.unreachable('no signal');
      if (!signal.aborted) await once(signal, 'abort');
      throw signal.reason;
    };
    const client = createCloudflareClient({ queueUrl: QUEUE_URL, token: TOKEN, fetch: never, timeoutMs: 20 });
    expect(await failureOf(client.pull(1, 1))).toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    expect(await failureOf(client.pull(1, 1, AbortSignal.abort()))).toMatchObject({ code: 'CANCELLED' });
  });

  test('an answer without an end is cut off', async () => {
    const chunk = new Uint8Array(1024 * 1024);
    let chunks = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            chunks += 1;
            controller.enqueue(chunk);
          },
        }),
      );
    expect((await failureOf(answering(endless).client.pull(1, 1))).message).toContain('ANSWER_TOO_LARGE');
    expect(chunks).toBeLessThan(40);
  });

  test('the token stands in no error, whoever quotes it', async () => {
    const quoting = answering(refused(400, `Bearer ${TOKEN} is odd`)).client;
    const throwing = answering(() => {
      throw new TypeError(`invalid header: Bearer ${TOKEN}`);
    }).client;
    for (const client of [quoting, throwing]) {
      const error = await failureOf(client.pull(1, 1));
      expect(`${error.message} ${JSON.stringify(error.context)} ${error.fix}`).not.toContain(TOKEN);
      expect(error.cause).toBeUndefined();
    }
  });
});

describe('settings that cannot work', () => {
  test.each([
    ['http://api.cloudflare.com/client/v4/accounts/a/queues/q', 'http:'],
    ['https://api.cloudflare.com/client/v4/accounts/a', 'form'],
    ['https://api.cloudflare.com/client/v4/accounts/a/queues/q?x=1', 'form'],
    ['https://sqs.eu-west-1.amazonaws.com/1/q', 'form'],
    ['not a url', 'form'],
  ])('the URL %s', (queueUrl, message) => {
    expect(() => createCloudflareClient({ queueUrl, token: TOKEN })).toThrow(message);
  });

  test.each(['', 'with space', 'line\nbreak', 'ü'])('the token %j, which is not quoted', (token) => {
    const make = () => createCloudflareClient({ queueUrl: QUEUE_URL, token });
    expect(make).toThrow('token');
    if (token !== '') expect(make).not.toThrow(token);
  });

  test('a trailing slash does no harm', async () => {
    const urls: string[] = [];
    const note: typeof fetch = async (input) => {
      urls.push(String(input));
      return ok({})();
    };
    await createCloudflareClient({ queueUrl: `${QUEUE_URL}/`, token: TOKEN, fetch: note }).peek(1);
    expect(urls).toEqual([`${QUEUE_URL}/messages/peek`]);
  });
});
