/** The API as one function from a request to its answer: its routes, and what holds for all of them. */
import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { getCookie } from 'hono/cookie';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ApiMetrics } from '../telemetry/api-metrics.ts';
import { type Trace, untraced } from '../trace.ts';
import { PROBLEM_MEDIA_TYPE } from './documents/problem-details.ts';
import { openApiDocument } from './openapi.ts';
import { hostName, isLoopbackHost, refuseOtherOrigins, requireLoopbackName, requireSameOrigin } from './origin.ts';
import { problemDetails, RequestError, statusOf } from './problem.ts';
import { createRateLimit } from './rate-limit.ts';
import { readBody, readParams, readQuery } from './read-request.ts';
import type { Access, Caller, JsonAnswer, Route } from './route.ts';
import { DASHBOARD_POLICY, NO_PAGE_POLICY, SECURITY_HEADERS } from './security-headers.ts';
import { SESSION_COOKIE } from './session-cookie.ts';
import type { StaticFile } from './static-files.ts';
import type { Tokens } from './tokens.ts';

export interface AppOptions {
  readonly routes: readonly Route[];
  readonly tokens: Tokens;
  /** Those that may read metrics and nothing else. */
  readonly metricsTokens: Tokens;
  /** Of one caller; 0 is no limit. */
  readonly requestsPerMinute: number;
  /** The dashboard's, by path. */
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
  readonly metrics: Pick<ApiMetrics, 'answered'>;
  readonly trace: Trace | undefined;
}

interface Variables {
  requestId: string;
  log: Logger;
  /** As the log and metrics name it: `/api/jobs/{job_id}`, `dashboard` for its files, `none` for no address. */
  route: string;
  caller: Caller;
}

/** `peer`: where a request comes from. Undefined where it comes from no socket. */
export type ApiApp = Hono<{ Variables: Variables; Bindings: { peer?: string } }>;
type ApiContext = Context<{ Variables: Variables; Bindings: { peer?: string } }>;

/** Whoever guesses tokens has so many guesses a minute, from one address. */
const GUESSES_PER_MINUTE = 30;
const REQUEST_ID = /^[\w.-]{1,128}$/;
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

export function createApp(options: AppOptions): ApiApp {
  const { routes, tokens, metricsTokens, files, now, metrics, trace = untraced } = options;
  const limit = createRateLimit(options.requestsPerMinute, now);
  const guesses = createRateLimit(GUESSES_PER_MINUTE, now);
  const app: ApiApp = new Hono();

  app.use(async (context, next) => {
    const startMs = performance.now();
    const given = context.req.header('x-request-id') ?? '';
    const requestId = REQUEST_ID.test(given) ? given : randomUUID();
    context.set('requestId', requestId);
    context.set('log', options.log.child({ requestId }));
    context.set('route', 'none');
    await next();
    const { headers } = context.res;
    for (const [name, value] of Object.entries({ ...SECURITY_HEADERS, 'x-request-id': requestId })) headers.set(name, value);
    if (!headers.has('content-security-policy')) headers.set('content-security-policy', NO_PAGE_POLICY);
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
    const caller = context.get('caller');
    const { method } = context.req;
    const { status } = context.res;
    const route = context.get('route');
    const durationMs = performance.now() - startMs;
    metrics.answered({ route, method, status, durationMs });
    context.get('log').info(
      {
        ...{ method, path: context.req.path, route, status, ms: Math.round(durationMs) },
        ...(caller === undefined || caller.by === 'none' ? {} : { token: caller.id, by: caller.by }),
      },
      'api request',
    );
  });

  function callerOf(context: ApiContext, access: Exclude<Access, 'open'>): Caller {
    const { headers } = context.req.raw;
    if (tokens.isOpen) {
      requireLoopbackName(headers);
      refuseOtherOrigins(headers);
      return { by: 'none' };
    }
    const peer = context.env?.peer ?? 'unknown';
    const authorization = context.req.header('authorization');
    if (authorization !== undefined) {
      const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
      const id = tokens.idOf(token) ?? (access === 'scraper' ? metricsTokens.idOf(token) : null);
      if (id !== null) return { by: 'token', id };
      guesses.take(peer);
      throw unauthenticated('the token is not one of this server');
    }
    const cookie = getCookie(context, SESSION_COOKIE);
    if (cookie === undefined) throw unauthenticated('the request has no token');
    const session = tokens.readSession(cookie);
    if (session === null) throw unauthenticated('the session is over');
    if (!SAFE_METHODS.has(context.req.method)) requireSameOrigin(headers);
    return { by: 'session', ...session };
  }

  /** For routes that anybody may use: who asks, where that is known. */
  function knownCaller(context: ApiContext): Caller {
    if (!SAFE_METHODS.has(context.req.method)) {
      if (tokens.isOpen) requireLoopbackName(context.req.raw.headers);
      refuseOtherOrigins(context.req.raw.headers);
      guesses.take(`open ${context.env?.peer ?? 'unknown'}`);
    }
    const token = tokens.idOf(/^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1] ?? '');
    if (token !== null) return { by: 'token', id: token };
    const session = tokens.readSession(getCookie(context, SESSION_COOKIE) ?? '');
    return session === null ? { by: 'none' } : { by: 'session', ...session };
  }

  async function serve(route: Route, context: ApiContext): Promise<Response> {
    context.set('route', route.path);
    const { access } = route;
    const caller = access === 'open' ? knownCaller(context) : callerOf(context, access);
    context.set('caller', caller);
    if (access !== 'open') limit.take(caller.by === 'none' ? 'none' : caller.id);
    // What asks every few seconds is not worth a trace.
    return access === 'operator' ? inSpan(route, context, () => handle(route, context, caller)) : handle(route, context, caller);
  }

  /** Of the caller's trace, where it names one. Only a failure of ours is an error there. */
  function inSpan(route: Route, context: ApiContext, work: () => Promise<Response>): Promise<Response> {
    const method = context.req.method;
    const parent = context.req.header('traceparent') ?? null;
    const attributes = {
      'http.request.method': method,
      'http.route': route.path,
      'url.path': context.req.path,
      'millrace.job': context.req.param('job_id'),
      'millrace.request': context.get('requestId'),
    };
    return trace.span(`${method} ${route.path}`, { kind: 'server', parent, attributes }, async (span) => {
      const response = await work().catch((thrown: unknown) => problemResponse(context, thrown));
      const { status } = response;
      span.set({ 'http.response.status_code': status, 'error.type': status < 500 ? undefined : String(status) });
      return response;
    });
  }

  async function handle(route: Route, context: ApiContext, caller: Caller): Promise<Response> {
    const { raw } = context.req;
    const answer = await route.handle({
      params: readParams(route, pathParams(context)),
      query: readQuery(route, new URL(raw.url).searchParams),
      body: await readBody(route, raw),
      headers: raw.headers,
      method: raw.method,
      caller,
      isLoopback: isLoopbackHost(hostName(raw.headers.get('host')) ?? ''),
      signal: raw.signal,
      log: context.get('log'),
    });
    return answer instanceof Response ? answer : jsonResponse(answer);
  }

  for (const route of routes) {
    const path = honoPath(route.path);
    app.on(route.method.toUpperCase(), path, (context) => serve(route, context));
  }
  for (const path of new Set(routes.map((route) => route.path))) {
    const methods = routes.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    app.all(honoPath(path), (context) => {
      context.set('route', path);
      throw new RequestError('METHOD_NOT_ALLOWED', `this address takes ${methods.join(', ')} only`, {
        headers: { allow: [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ') },
      });
    });
  }
  const document = JSON.stringify(openApiDocument(routes, options.version), null, 2);
  app.get('/openapi.json', (context) => {
    context.set('route', '/openapi.json');
    return context.body(document, 200, { 'content-type': 'application/json' });
  });

  app.get('*', (context) => {
    const file = files.get(context.req.path);
    if (file === undefined) return context.notFound();
    context.set('route', 'dashboard');
    const headers = { 'content-security-policy': DASHBOARD_POLICY, 'cache-control': 'no-cache', etag: file.etag };
    if (context.req.header('if-none-match')?.includes(file.etag) === true) return context.body(null, 304, headers);
    return context.body(file.bytes, 200, { ...headers, 'content-type': file.mediaType });
  });
  app.notFound((context) => problemResponse(context, new RequestError('NOT_FOUND', 'there is nothing at this address')));
  app.onError((thrown, context) => problemResponse(context, thrown));
  return app;
}

function problemResponse(context: ApiContext, thrown: unknown): Response {
  const error = asMillraceError(thrown);
  const status = statusOf(error);
  if (status >= 500) context.get('log').error({ error }, 'a request failed');
  const details = problemDetails(error, context.req.path, context.get('requestId'));
  const headers = error instanceof RequestError ? error.headers : {};
  return new Response(JSON.stringify(details), { status, headers: { ...headers, 'content-type': PROBLEM_MEDIA_TYPE } });
}

function jsonResponse({ status, json, headers = {} }: JsonAnswer): Response {
  if (json === undefined) return new Response(null, { status, headers });
  return new Response(JSON.stringify(json), { status, headers: { ...headers, 'content-type': 'application/json' } });
}

function pathParams(context: ApiContext): Record<string, string> {
  // The router's own type is that of one path.
  return { ...(context.req.param() as Record<string, string>) };
}

/** `/api/jobs/{job_id}/files/{key...}` as the router writes it. */
const honoPath = (path: string): string => path.replaceAll(/\{(\w+)\.\.\.\}/g, ':$1{.+}').replaceAll(/\{(\w+)\}/g, ':$1');

function unauthenticated(message: string): RequestError {
  return new RequestError('UNAUTHENTICATED', message, {
    fix: 'Send the header Authorization: Bearer TOKEN, with one of MILLRACE_API_TOKENS; a browser opens a session at POST /session.',
    headers: { 'www-authenticate': 'Bearer' },
  });
}
