/** Who may ask, how much, and in which form. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProblemDetails } from '../../../api/documents/problem-details.ts';
import { type ApiServer, startApi } from '../../../api/server.ts';
import { createLogger, silentLogger } from '../../../log.ts';
import { readMetrics } from '../telemetry/scrape.ts';
import { type ApiClient, type AskOptions, clientOf } from './client.ts';
import { partsInMemory } from './parts-in-memory.ts';

const TOKENS = ['the-first-token-of-two', 'the-second-token-of-two'] as const;
const [TOKEN, SECOND] = TOKENS;

describe('requests', () => {
  let server: ApiServer;
  let api: ApiClient;
  const lines: string[] = [];
  const log = createLogger({ level: 'info', name: 'api', stream: { write: (line) => void lines.push(line) } });

  const start = (more: Partial<Parameters<typeof startApi>[0]> = {}) =>
    startApi({
      ...partsInMemory(),
      ...{ host: '127.0.0.1', port: 0, tokens: TOKENS, requestsPerMinute: 0, maxStreams: 2, version: '1', log },
      ...more,
    });

  beforeAll(async () => {
    server = await start();
    api = clientOf({ url: server.url, token: TOKEN });
  });
  afterAll(() => server.stop());

  async function openSession(): Promise<string> {
    const { headers } = await api.ask('POST', '/session', { body: { token: TOKEN }, token: false });
    return headers.get('set-cookie')?.split(';')[0] ?? '';
  }

  interface Row {
    readonly what: string;
    readonly method?: string;
    readonly path?: string;
    readonly options: AskOptions;
    readonly status: number;
    readonly code: string;
  }
  const bearer = (token: string): AskOptions => ({ token: false, headers: { authorization: token } });
  const post = (options: AskOptions) => ({ method: 'POST', path: '/api/pipeline/segment', options });
  const ROWS: readonly Row[] = [
    { what: 'no token', options: { token: false }, status: 401, code: 'UNAUTHENTICATED' },
    { what: 'a wrong token', options: bearer('Bearer wrong'), status: 401, code: 'UNAUTHENTICATED' },
    { what: 'the start of a token', options: bearer(`Bearer ${TOKEN.slice(0, -1)}`), status: 401, code: 'UNAUTHENTICATED' },
    { what: 'both tokens', options: bearer(`Bearer ${TOKENS.join(',')}`), status: 401, code: 'UNAUTHENTICATED' },
    { what: 'another scheme', options: bearer(`Basic ${TOKEN}`), status: 401, code: 'UNAUTHENTICATED' },
    { what: 'an empty token', options: bearer('Bearer '), status: 401, code: 'UNAUTHENTICATED' },
    {
      what: 'a made-up session',
      options: { token: false, headers: { cookie: `millrace_session=v1.9999999999999.00000000.${'a'.repeat(43)}` } },
      status: 401,
      code: 'UNAUTHENTICATED',
    },
    { what: 'a method that is none', method: 'PUT', options: {}, status: 405, code: 'METHOD_NOT_ALLOWED' },
    { what: 'an address that is none', path: '/api/nothing', options: {}, status: 404, code: 'NOT_FOUND' },
    { what: 'a climbing address', path: '/..%2f..%2fpackage.json', options: {}, status: 404, code: 'NOT_FOUND' },
    { what: 'a misspelt parameter', path: '/api/jobs?limits=3', options: {}, status: 400, code: 'REQUEST_INVALID' },
    { what: 'a parameter twice', path: '/api/jobs?limit=3&limit=4', options: {}, status: 400, code: 'REQUEST_INVALID' },
    { what: 'a limit of nothing', path: '/api/jobs?limit=0', options: {}, status: 400, code: 'REQUEST_INVALID' },
    { what: 'broken percent signs', path: '/api/jobs/%E0%A4%A', options: {}, status: 400, code: 'REQUEST_INVALID' },
    { what: 'no body', ...post({ headers: { 'content-type': 'application/json' } }), status: 400, code: 'REQUEST_INVALID' },
    { what: 'half a body', ...post({ body: '{"job_id":' }), status: 400, code: 'REQUEST_INVALID' },
    { what: 'a field twice', ...post({ body: '{"job_id":"a","job_id":"b"}' }), status: 400, code: 'REQUEST_INVALID' },
    { what: 'a list', ...post({ body: [] }), status: 400, code: 'REQUEST_INVALID' },
    { what: 'a misspelt field', ...post({ body: { job: 'talk-1' } }), status: 400, code: 'REQUEST_INVALID' },
    { what: 'depths', ...post({ body: '['.repeat(100_000) }), status: 400, code: 'REQUEST_INVALID' },
    {
      what: 'a form',
      ...post({ body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
    },
    {
      what: 'text',
      ...post({ body: '{}', headers: { 'content-type': 'text/plain' } }),
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
    },
    {
      what: 'too large a body',
      method: 'POST',
      path: '/api/jobs/talk-1/retry',
      options: { body: `{"stage":"${'a'.repeat(1024 * 1024)}"}` },
      status: 413,
      code: 'REQUEST_TOO_LARGE',
    },
  ];

  it.each(ROWS)(
    'with $what are answered $status $code',
    async ({ method = 'GET', path = '/api/jobs', options, status, code }) => {
      const answer = await api.ask(method, path, options);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      const problem = ProblemDetails.parse(answer.json);
      expect(problem).toMatchObject({ status, code, type: `/errors/${code}`, instance: path.replace(/\?.*/, '') });
      expect(problem.request_id).toBe(answer.headers.get('x-request-id'));
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    },
  );

  it('are counted by the length that they have, not by the one that they name', async () => {
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    const head = `POST /api/jobs/a/retry HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = 'a'.repeat(64 * 1024);
    socket.write(head);
    socket.on('error', () => undefined);
    for (let sent = 0; sent < 20; sent += 1) socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('are let in with any of the tokens, and with a session', async () => {
    expect((await api.ask('GET', '/api/jobs')).status).toBe(200);
    expect((await api.ask('GET', '/api/jobs', bearer(`bearer ${SECOND}`))).status).toBe(200);
    const cookie = await openSession();
    expect(cookie).not.toContain(TOKEN);
    expect((await api.ask('GET', '/api/jobs', { token: false, headers: { cookie } })).status).toBe(200);
    expect(await api.ask('GET', '/session', { token: false, headers: { cookie } })).toMatchObject({
      json: { authenticated: true, by: 'session' },
    });
    expect(await api.ask('GET', '/session', { token: false })).toMatchObject({ status: 200, json: { authenticated: false } });
  });

  it('get a cookie that no script and no other site may use, by TLS alone unless it stays on this machine', async () => {
    const cookieOf = async (host?: string) => {
      const socket = connect(server.port, '127.0.0.1');
      const body = JSON.stringify({ token: TOKEN });
      socket.end(
        `POST /session HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      return /set-cookie: (.*)\r\n/i.exec(await text(socket))?.[1];
    };
    expect(await cookieOf('localhost:1')).toMatch(
      /^millrace_session=v1\.[^;]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    expect(await cookieOf('millrace.example.com')).toMatch(/; HttpOnly; SameSite=Strict; Secure$/);
    const { headers, status } = await api.ask('DELETE', '/session', { token: false });
    expect([status, headers.get('set-cookie')]).toEqual([204, expect.stringContaining('millrace_session=; Max-Age=0')]);
    expect((await api.ask('POST', '/session', { body: { token: 'wrong' }, token: false })).status).toBe(401);
  });

  it.each<[Record<string, string>, boolean]>([
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ origin: 'SELF' }, true],
    [{ 'sec-fetch-site': 'cross-site' }, false],
    [{ 'sec-fetch-site': 'same-site', origin: 'SELF' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ origin: 'http://evil.example' }, false],
    [{ origin: 'null' }, false],
    [{}, false],
  ])('that change something by a cookie must come from this origin: %j', async (headers, isAllowed) => {
    const cookie = await openSession();
    const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value === 'SELF' ? server.url : value]));
    const answer = await api.ask('POST', '/api/jobs/nobody/cancel', { token: false, headers: { ...own, cookie } });
    expect(answer.status).toBe(isAllowed ? 404 : 403);
    if (!isAllowed) expect(answer.json).toMatchObject({ code: 'ORIGIN_REFUSED' });
  });

  it('keep the id that they bring, where it is one, and leave a line without any secret', async () => {
    const { headers } = await api.ask('GET', `/api/jobs/nobody?stage=a`, { headers: { 'x-request-id': 'my-request.1' } });
    expect(headers.get('x-request-id')).toBe('my-request.1');
    const other = await api.ask('GET', '/healthz', { headers: { 'x-request-id': 'no id "at all"' } });
    expect(other.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const line = lines.map((each) => JSON.parse(each)).find(({ requestId }) => requestId === 'my-request.1');
    expect(line).toMatchObject({ method: 'GET', path: '/api/jobs/nobody', route: '/api/jobs/{job_id}', status: 404 });
    await openSession();
    for (const token of TOKENS) expect(lines.join('')).not.toContain(token);
    expect(lines.join('')).not.toContain('v1.');
  });

  it('of one token are counted, and the next one is told when to come again', async () => {
    const limited = await start({ requestsPerMinute: 3, log: silentLogger });
    const client = clientOf({ url: limited.url, token: TOKEN });
    for (let request = 1; request <= 3; request += 1) expect((await client.ask('GET', '/api/jobs')).status).toBe(200);
    const answer = await client.ask('GET', '/api/jobs');
    expect(answer).toMatchObject({ status: 429, json: { code: 'RATE_LIMITED', retryable: true } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await client.ask('GET', '/api/jobs', bearer(`Bearer ${SECOND}`))).status).toBe(200);
    expect((await client.ask('GET', '/healthz')).status).toBe(200);
    await limited.stop();
  });

  it('with wrong tokens are slowed down, those with a right one are not', async () => {
    const guessed = await start({ log: silentLogger });
    const client = clientOf({ url: guessed.url, token: TOKEN });
    const statuses: number[] = [];
    for (let guess = 0; guess < 31; guess += 1) statuses.push((await client.ask('GET', '/api/jobs', bearer('Bearer no'))).status);
    expect(statuses.at(-1)).toBe(429);
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(30);
    expect((await client.ask('GET', '/api/jobs')).status).toBe(200);
    await guessed.stop();
  });

  it('without any token are for loopback alone', async () => {
    await expect(start({ tokens: [], host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fix: expect.stringContaining('MILLRACE_API_TOKENS'),
    });
    const open = await start({ tokens: [], log: silentLogger });
    const client = clientOf({ url: open.url, token: 'none' });
    const ask = (headers: Record<string, string>) => client.ask('POST', '/api/jobs/nobody/cancel', { token: false, headers });
    expect((await ask({})).status).toBe(404);
    expect((await ask({ origin: open.url })).status).toBe(404);
    expect((await ask({ origin: 'http://evil.example' })).status).toBe(403);
    expect((await ask({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    // A page of another site whose name was made to lead here.
    const socket = connect(open.port, '127.0.0.1');
    socket.end('GET /api/jobs HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /);
    await open.stop();
  });

  it('for more streams than there may be are told to come again, and a stop ends those that there are', async () => {
    const parts = partsInMemory();
    await parts.planner.store.put('pipelines/talk/notes.txt', 'x');
    const streaming = await start({ ...parts, log: silentLogger });
    const open = () => fetch(`${streaming.url}/api/jobs/talk/events`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const streams = [await open(), await open()];
    const refused = await open();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '10']);
    await refused.text();
    await streams[0]?.body?.cancel();
    await expect
      .poll(async () => {
        const again = await open();
        void again.body?.cancel();
        return again.status;
      })
      .toBe(200);
    const rest = streams[1]?.text();
    await streaming.stop();
    expect(await rest).toContain('event: job');
  });

  it('for metrics need a token of the API, or one that opens nothing else', async () => {
    const scraper = 'the-token-of-the-scraper';
    const scraped = await start({ metricsTokens: [scraper], log: silentLogger });
    const client = clientOf({ url: scraped.url, token: TOKEN });
    const status = async (path: string, options: AskOptions = {}) => (await client.ask('GET', path, options)).status;
    expect(await status('/metrics', { token: false })).toBe(401);
    expect(await status('/metrics', bearer('Bearer wrong'))).toBe(401);
    expect(await status('/metrics')).toBe(200);
    expect(await status('/metrics', bearer(`Bearer ${scraper}`))).toBe(200);
    for (const path of ['/api/jobs', '/api/jobs/nobody', '/api/dead-letters'])
      expect(await status(path, bearer(`Bearer ${scraper}`)), path).toBe(401);
    expect((await client.ask('POST', '/session', { body: { token: scraper }, token: false })).status).toBe(401);
    await scraped.stop();

    await expect(start({ tokens: [], metricsTokens: [scraper] })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const open = await start({ tokens: [], log: silentLogger });
    expect((await fetch(`${open.url}/metrics`)).status).toBe(200);
    await open.stop();
  });

  it('are counted by their route, never by what stands in its place', async () => {
    const parts = partsInMemory();
    await parts.planner.store.put('pipelines/talk/notes.txt', 'x');
    const counted = await start({ ...parts, log: silentLogger });
    const client = clientOf({ url: counted.url, token: TOKEN });
    for (const job of ['nobody', 'nobody-else']) await client.ask('GET', `/api/jobs/${job}`);
    await client.ask('PUT', '/api/jobs/nobody');
    await client.ask('GET', '/a/made-up/address');
    await client.ask('GET', '/openapi.json');
    const stream = await fetch(`${counted.url}/api/jobs/talk/events`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const { text: page, headers } = await client.ask('GET', '/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=/);
    const metrics = readMetrics(page);
    const requests = (route: string, method: string, status: string) =>
      metrics.value('millrace_api_requests_total', { route, method, status });
    expect(requests('/api/jobs/{job_id}', 'GET', '4xx')).toBe(2);
    expect(requests('/api/jobs/{job_id}', 'other', '4xx')).toBe(1);
    expect(requests('/api/jobs/{job_id}/events', 'GET', '2xx')).toBe(1);
    expect(requests('/openapi.json', 'GET', '2xx')).toBe(1);
    expect(requests('none', 'GET', '4xx')).toBe(1);
    expect(page).not.toMatch(/nobody|made-up/);
    expect(metrics.value('millrace_api_request_duration_seconds_count')).toBe(6);
    expect(metrics.value('millrace_api_event_streams')).toBe(1);
    await stream.body?.cancel();
    await counted.stop();
  });

  it('that a browser keeps a connection ready for do not hold up a stop', async () => {
    const stopped = await start({ log: silentLogger });
    const spare = connect(stopped.port, '127.0.0.1');
    await once(spare, 'connect');
    await fetch(`${stopped.url}/healthz`);
    const closed = once(spare, 'close');
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      spare.destroy();
    }, 8_000);
    await Promise.all([stopped.stop(), closed]);
    clearTimeout(late);
    expect(isLate).toBe(false);
  });

  it('for the dashboard are answered from its files, or by none', async () => {
    const { status, headers } = await api.ask('GET', '/', { token: false });
    expect([200, 404]).toContain(status);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('for health say whether the bucket answers', async () => {
    expect(await api.ask('GET', '/readyz', { token: false })).toMatchObject({ status: 200, json: { status: 'ok' } });
    const parts = partsInMemory();
    const head = () => Promise.reject(new Error('away'));
    const away = await start({
      ...parts,
      planner: { ...parts.planner, store: { ...parts.planner.store, head } },
      log: silentLogger,
    });
    const client = clientOf({ url: away.url, token: TOKEN });
    expect(await client.ask('GET', '/readyz', { token: false })).toMatchObject({ status: 503, json: { status: 'unavailable' } });
    expect(await client.ask('GET', '/healthz', { token: false })).toMatchObject({ status: 200 });
    await away.stop();
  });
});
