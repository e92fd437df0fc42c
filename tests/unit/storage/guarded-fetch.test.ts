import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { checkedLookup, nextTarget } from '../../../storage/fetch-target.ts';
import { createGuardedFetch, type GuardedFetch, type GuardedFetchOptions } from '../../../storage/guarded-fetch.ts';

const servers: Server[] = [];
const fetches: GuardedFetch[] = [];

afterEach(async () => {
  for (const fetch of fetches.splice(0)) fetch.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function guarded(options: Partial<GuardedFetchOptions> = {}): GuardedFetch {
  const fetch = createGuardedFetch({ allowHosts: [], ...options });
  fetches.push(fetch);
  return fetch;
}

const toLoopback: GuardedFetchOptions['resolve'] = async () => [{ address: '127.0.0.1', family: 4 }];

describe('where it will not go', () => {
  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/',
    'ftp://example.com/x',
    'file:///etc/passwd',
    'http://user:password@example.com/',
  ])('%s is refused without a connection', async (url) => {
    await expect(guarded().request(url)).rejects.toMatchObject({ code: 'SOURCE_REFUSED' });
  });

  test.each(['127.0.0.1', '169.254.169.254', '10.0.0.5', '100.64.0.1', '::1', 'fd00::1', '::ffff:8.8.8.8'])(
    'a name that resolves to %s is refused, and only the host is named',
    async (address) => {
      const resolve: GuardedFetchOptions['resolve'] = async () => [{ address, family: address.includes(':') ? 6 : 4 }];
      const request = guarded({ resolve }).request('http://inside.example/path?secret=1');
      await expect(request).rejects.toMatchObject({
        code: 'SOURCE_REFUSED',
        message: expect.stringMatching(/^inside\.example is refused: its address is \w[\w-]*$/),
      });
    },
  );

  test('a redirect to a refused address is refused, though the first host is allowed', async () => {
    let inner = 0;
    const innerPort = await serve((_request, response) => {
      inner += 1;
      response.end('secret');
    });
    const port = await serve((_request, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${innerPort}/` }).end();
    });
    const fetch = guarded({ allowHosts: [`start.example:${port}`], resolve: toLoopback });
    await expect(fetch.request(`http://start.example:${port}/`)).rejects.toMatchObject({ code: 'SOURCE_REFUSED' });
    expect(inner).toBe(0);
  });

  test('an allowed port does not allow the host on another port', async () => {
    const port = await serve((_request, response) => response.end('ok'));
    const fetch = guarded({ allowHosts: [`127.0.0.1:${port + 1}`] });
    await expect(fetch.request(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'SOURCE_REFUSED' });
  });

  test('a second resolution is never asked for: what was checked is what is connected to', async () => {
    const port = await serve((_request, response) => response.end('reached'));
    let asked = 0;
    const resolve: GuardedFetchOptions['resolve'] = async () => {
      asked += 1;
      return asked === 1 ? [{ address: '192.0.2.1', family: 4 }] : [{ address: '127.0.0.1', family: 4 }];
    };
    await expect(guarded({ resolve }).request(`http://rebind.example:${port}/`)).rejects.toMatchObject({
      code: 'SOURCE_REFUSED',
    });
    expect(asked).toBe(1);
  });

  test('of several addresses only the public ones are handed to the connection', async () => {
    const lookup = checkedLookup(new URL('http://mixed.example/'), new Set(), async () => [
      { address: '127.0.0.1', family: 4 },
      { address: '93.184.215.14', family: 4 },
      { address: '::1', family: 6 },
    ]);
    const found = await new Promise((resolve) =>
      lookup('mixed.example', { all: true }, (_error, addresses) => resolve(addresses)),
    );
    expect(found).toEqual([{ address: '93.184.215.14', family: 4 }]);
  });

  test('a redirect from https to http is refused, one from http to https is not', () => {
    const [secure, plain] = [new URL('https://example.com/a'), new URL('http://example.com/a')];
    expect(() => nextTarget(secure, 'http://example.com/b', {}, new Set())).toThrow('it redirects from https to http');
    expect(nextTarget(plain, 'https://example.com/b', {}, new Set()).url.href).toBe('https://example.com/b');
    expect(nextTarget(secure, '/b?c#d', { range: 'bytes=0-' }, new Set())).toEqual({
      url: new URL('https://example.com/b?c'),
      headers: { range: 'bytes=0-' },
    });
  });

  test.each(['', 'host/path', 'user@host', 'http://host', 'a b', 'host:port'])('refuses %j as a host to allow', (entry) => {
    expect(() => guarded({ allowHosts: [entry] })).toThrow('expected a host or host:port');
  });
});

describe('what it carries', () => {
  test('status, headers and bytes arrive as they were sent, and nothing is decompressed', async () => {
    const port = await serve((request, response) => {
      expect(request.headers['accept-encoding']).toBe('identity');
      response.writeHead(206, { 'content-range': 'bytes 0-4/10', etag: '"e"', 'content-encoding': 'gzip' }).end('hello');
    });
    const fetch = guarded({ allowHosts: ['127.0.0.1'] });
    const response = await fetch.request(`http://127.0.0.1:${port}/x`, { headers: { Range: 'bytes=0-4' } });
    expect(response).toMatchObject({ status: 206, url: `http://127.0.0.1:${port}/x` });
    expect(response.headers).toMatchObject({ 'content-range': 'bytes 0-4/10', etag: '"e"' });
    expect(await text(response.body)).toBe('hello');
  });

  test('a redirect to another origin keeps the range and drops what could be a secret', async () => {
    const port = await serve((request, response) => response.end(JSON.stringify(request.headers)));
    const first = await serve((_request, response) => {
      response.writeHead(307, { location: `http://other.example:${port}/` }).end();
    });
    const fetch = guarded({ allowHosts: ['first.example', 'other.example'], resolve: toLoopback });
    const response = await fetch.request(`http://first.example:${first}/`, {
      headers: { Authorization: 'Bearer secret', Cookie: 'secret', 'X-Api-Key': 'secret', Range: 'bytes=1-' },
    });
    const seen = await text(response.body);
    expect(seen).not.toContain('secret');
    expect(JSON.parse(seen)).toMatchObject({ range: 'bytes=1-' });
  });

  test('redirects without end are refused after the named number', async () => {
    let requests = 0;
    const port = await serve((_request, response) => {
      requests += 1;
      response.writeHead(302, { location: '/again' }).end();
    });
    const fetch = guarded({ allowHosts: ['127.0.0.1'], maxRedirects: 3 });
    await expect(fetch.request(`http://127.0.0.1:${port}/`)).rejects.toThrow('it redirects more than 3 times');
    expect(requests).toBe(4);
  });

  test('a PUT streams its body with its headers, and its redirect is handed to the caller', async () => {
    const received: string[] = [];
    const port = await serve(async (request, response) => {
      received.push(
        `${request.headers['x-amz-meta-fingerprint']} ${request.headers['content-length']} ${(await buffer(request)).length}`,
      );
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    });
    const bytes = Buffer.alloc(300_000, 7);
    const response = await guarded({ allowHosts: ['127.0.0.1'] }).request(`http://127.0.0.1:${port}/put`, {
      method: 'PUT',
      headers: { 'x-amz-meta-fingerprint': 'f1', 'content-length': String(bytes.length) },
      body: Readable.from([bytes]),
    });
    response.body.resume();
    expect(response.status).toBe(307);
    expect(received).toEqual(['f1 300000 300000']);
  });
});

describe('what ends it', () => {
  test('a server that accepts and says nothing', async () => {
    const port = await serve(() => undefined);
    const fetch = guarded({ allowHosts: ['127.0.0.1'], idleTimeoutMs: 100 });
    await expect(fetch.request(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  test('a body that stops half-way', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half');
    });
    const fetch = guarded({ allowHosts: ['127.0.0.1'], idleTimeoutMs: 100 });
    const { body } = await fetch.request(`http://127.0.0.1:${port}/`);
    await expect(text(body)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  test('not a reader who pauses for longer than the idle limit', async () => {
    const size = 8 * 1024 * 1024;
    const port = await serve((_request, response) => response.end(Buffer.alloc(size)));
    const fetch = guarded({ allowHosts: ['127.0.0.1'], idleTimeoutMs: 80 });
    const { body } = await fetch.request(`http://127.0.0.1:${port}/`);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect((await buffer(body)).length).toBe(size);
  });

  test('a body longer than allowed, declared or not', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/declared') response.end('x'.repeat(100));
      else {
        response.write('x'.repeat(60));
        response.end('x'.repeat(60));
      }
    });
    const fetch = guarded({ allowHosts: ['127.0.0.1'], maxBodyBytes: 99 });
    await expect(fetch.request(`http://127.0.0.1:${port}/declared`)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    const { body } = await fetch.request(`http://127.0.0.1:${port}/chunked`);
    await expect(text(body)).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });

  test('the signal, before the answer and during the body', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/body') response.writeHead(200).write('some');
    });
    const fetch = guarded({ allowHosts: ['127.0.0.1'] });
    const before = new AbortController();
    const waiting = fetch.request(`http://127.0.0.1:${port}/silent`, { signal: before.signal });
    before.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });

    const during = new AbortController();
    const { body } = await fetch.request(`http://127.0.0.1:${port}/body`, { signal: during.signal });
    during.abort();
    await expect(text(body)).rejects.toThrow();
  });

  test('a PUT whose source breaks', async () => {
    const port = await serve((request) => request.resume());
    const source = new PassThrough();
    const put = guarded({ allowHosts: ['127.0.0.1'] }).request(`http://127.0.0.1:${port}/`, {
      method: 'PUT',
      headers: { 'content-length': '10' },
      body: source,
    });
    source.write('half');
    source.destroy();
    await expect(put).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
  });

  test('a port where nobody listens', async () => {
    const request = guarded({ allowHosts: ['127.0.0.1'] }).request('http://127.0.0.1:1/x?secret=1', {
      method: 'PUT',
      body: Buffer.of(1),
    });
    await expect(request).rejects.toMatchObject({
      code: 'DESTINATION_UNREACHABLE',
      message: '127.0.0.1:1 could not be reached: ECONNREFUSED',
    });
  });
});
