import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { createGuardedPost, type GuardedPostOptions } from '../../../storage/guarded-post.ts';

const NOW_MS = Date.UTC(2026, 0, 1, 12);
const servers: http.Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function serve(answer: http.RequestListener): Promise<number> {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

const posting = (options: Partial<GuardedPostOptions> = {}) =>
  createGuardedPost({ allowHosts: ['127.0.0.1'], timeoutMs: 5_000, now: () => NOW_MS, ...options });

const request = (url: string) => ({
  url,
  headers: { 'content-type': 'application/json', 'x-mine': 'yes' },
  body: Buffer.from('{"a":1}'),
});

describe('a POST', () => {
  test('carries its headers and its body whole, with a length', async () => {
    let got: { method: string | undefined; headers: http.IncomingHttpHeaders; body: string } | undefined;
    const port = await serve(async (incoming, response) => {
      got = { method: incoming.method, headers: incoming.headers, body: (await buffer(incoming)).toString() };
      response.writeHead(204).end();
    });
    expect(await posting()(request(`http://127.0.0.1:${port}/told?a=b`))).toEqual({ kind: 'answered', status: 204 });
    expect(got).toMatchObject({
      ...{ method: 'POST', body: '{"a":1}' },
      headers: { 'content-type': 'application/json', 'content-length': '7', 'x-mine': 'yes' },
    });
  });

  test('does not follow a redirect: it is the answer', async () => {
    let followed = 0;
    const port = await serve((incoming, response) => {
      if (incoming.url === '/next') followed += 1;
      response.writeHead(307, { location: '/next' }).end();
    });
    expect(await posting()(request(`http://127.0.0.1:${port}/`))).toEqual({ kind: 'answered', status: 307 });
    expect(followed).toBe(0);
  });

  test('does not wait for the end of an endless answer', async () => {
    const port = await serve((_, response) => {
      response.writeHead(500);
      response.write('x'.repeat(100_000));
    });
    expect(await posting()(request(`http://127.0.0.1:${port}/`))).toEqual({ kind: 'answered', status: 500 });
  });

  test.each([
    ['120', 120_000],
    [new Date(NOW_MS + 60_000).toUTCString(), 60_000],
    [new Date(NOW_MS - 60_000).toUTCString(), 0],
    ['soon', undefined],
  ])('reads Retry-After: %s', async (header, retryAfterMs) => {
    const port = await serve((_, response) => response.writeHead(429, { 'retry-after': header }).end());
    const expected = { kind: 'answered', status: 429, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    expect(await posting()(request(`http://127.0.0.1:${port}/`))).toEqual(expected);
  });

  test('that gets no answer in time is unreachable; its server is left alone for half a minute, and others are not', async () => {
    let got = 0;
    const silentPort = await serve(() => {
      got += 1;
    });
    const port = await serve((_, response) => response.end());
    let nowMs = NOW_MS;
    const post = posting({ timeoutMs: 100, now: () => nowMs });
    const url = `http://127.0.0.1:${silentPort}`;
    const noAnswer = { kind: 'unreachable', error: { message: `${url} did not answer within 100 ms`, retryable: true } };
    expect(await post(request(`${url}/a`))).toMatchObject(noAnswer);
    expect(await post(request(`${url}/b`))).toMatchObject({
      kind: 'unreachable',
      error: { message: `${url} did not answer a moment ago, so it was not called` },
    });
    expect(got).toBe(1);
    expect(await post(request(`http://127.0.0.1:${port}/`))).toEqual({ kind: 'answered', status: 200 });
    nowMs += 30_000;
    expect(await post(request(`${url}/b`))).toMatchObject(noAnswer);
    expect(got).toBe(2);
  });

  test('to where nobody listens is unreachable', async () => {
    const port = await serve(() => {});
    servers.splice(0).map((server) => server.close());
    const outcome = await posting()(request(`http://127.0.0.1:${port}/`));
    expect(outcome).toMatchObject({ kind: 'unreachable', error: { code: 'DESTINATION_UNREACHABLE', retryable: true } });
  });

  test.each([
    ['http://169.254.169.254/latest/meta-data/', 'it is a metadata address'],
    ['http://127.0.0.1:1/', 'it is a loopback address'],
    ['http://[::1]/', 'it is a loopback address'],
    ['http://10.0.0.1/', 'it is a private address'],
    ['https://name:word@hooks.example.com/', 'a user name or password'],
    ['file:///etc/passwd', 'only http and https'],
    ['nothing', 'none'],
  ])('to %s is refused', async (url, why) => {
    const outcome = await posting({ allowHosts: [] })(request(url));
    expect(outcome).toMatchObject({ kind: 'refused', error: { message: expect.stringContaining(why), retryable: false } });
  });

  test('to a name that leads to a private address is refused, and nothing is sent', async () => {
    let got = 0;
    const port = await serve((_, response) => {
      got += 1;
      response.end();
    });
    const post = posting({ allowHosts: [], resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
    expect(await post(request(`http://hooks.example.com:${port}/`))).toMatchObject({
      kind: 'refused',
      error: { message: 'hooks.example.com is refused: its address is loopback' },
    });
    expect(got).toBe(0);
  });
});
