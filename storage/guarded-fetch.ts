/**
 * HTTP to addresses that strangers name. A host is resolved once, and the connection goes to an address that was checked in that
 * very look-up, so a name that resolves differently a moment later gains nothing. Every redirect is checked like the first URL.
 */
import http from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { MillraceError } from '../errors.ts';
import { atMost } from './body-length.ts';
import {
  type AllowedHosts,
  checkedLookup,
  checkTarget,
  nextTarget,
  type ResolveHost,
  readAllowedHosts,
  refused,
  resolveHost,
} from './fetch-target.ts';

export interface GuardedFetchOptions {
  /** `host` or `host:port` (`[::1]:8080` for IPv6): not held to the address rules. Everything else must be public. */
  readonly allowHosts: readonly string[];
  readonly maxRedirects?: number;
  /** From the look-up of the name to a usable connection. */
  readonly connectTimeoutMs?: number;
  /** How long the other side may send and take nothing; a reader that pauses is not counted against it. */
  readonly idleTimeoutMs?: number;
  /** A longer body fails with TOO_LARGE. */
  readonly maxBodyBytes?: number;
  /** Sockets per host. */
  readonly maxSockets?: number;
  /** Every address of a host name; the system's resolver unless given. */
  readonly resolve?: ResolveHost;
}

export interface GuardedRequest {
  readonly method?: 'GET' | 'HEAD' | 'PUT' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readable | Uint8Array;
  /** Stops the request and, afterwards, the body. */
  readonly signal?: AbortSignal;
}

export interface GuardedResponse {
  readonly status: number;
  /** Names in lower case; repeated ones joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** Must be read to its end or destroyed. It may fail with Node's own errors, or with SOURCE_UNREACHABLE when it stands still. */
  readonly body: Readable;
  /** Where the answer came from, after redirects. May hold a signature. */
  readonly url: string;
}

export interface GuardedFetch {
  /**
   * Any HTTP status is an answer. Throws SOURCE_REFUSED (naming only the host), URI_INVALID, SOURCE_UNREACHABLE
   * (DESTINATION_UNREACHABLE for PUT and POST), TOO_LARGE or CANCELLED. Redirects of what has a body are not followed: it is spent.
   */
  request(url: string, request?: GuardedRequest): Promise<GuardedResponse>;
  /** Closes idle connections and ends running ones. */
  close(): void;
}

const DEFAULT_MAX_REDIRECTS = 5;
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_IDLE_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_SOCKETS = 64;
const MAX_HEADER_BYTES = 16 * 1024;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const allowed = readAllowedHosts(options.allowHosts);
  const maxRedirects = options.maxRedirects ?? DEFAULT_MAX_REDIRECTS;
  const agentOptions = { keepAlive: true, maxSockets: options.maxSockets ?? DEFAULT_MAX_SOCKETS };
  const agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) };

  return {
    async request(text, request = {}) {
      let url = checkTarget(text, allowed);
      let headers = lowerCased(request.headers ?? {});
      for (let redirects = 0; ; redirects++) {
        const response = await send(url, headers, request, { options, allowed, agents });
        const target = isWrite(request.method) ? undefined : redirectTarget(response);
        if (target === undefined) return answer(response, url, request, options.maxBodyBytes);
        response.destroy();
        if (redirects === maxRedirects) throw refused(url.hostname, `it redirects more than ${maxRedirects} times`);
        ({ url, headers } = nextTarget(url, target, headers, allowed));
      }
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

interface Setup {
  readonly options: GuardedFetchOptions;
  readonly allowed: AllowedHosts;
  readonly agents: { readonly http: http.Agent; readonly https: https.Agent };
}

/** One request without redirects. Resolves with the headers. */
function send(url: URL, headers: Readonly<Record<string, string>>, request: GuardedRequest, setup: Setup) {
  const { options, allowed, agents } = setup;
  const { method = 'GET', body, signal } = request;
  const connectTimeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  const idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS;
  const isHttps = url.protocol === 'https:';
  return new Promise<http.IncomingMessage>((resolve, reject) => {
    const outgoing = (isHttps ? https : http).request(url, {
      agent: isHttps ? agents.https : agents.http,
      method,
      // Bytes as they are stored: a length or a range would mean nothing after decompression.
      headers: { 'accept-encoding': 'identity', ...headers },
      lookup: checkedLookup(url, allowed, options.resolve ?? resolveHost),
      maxHeaderSize: MAX_HEADER_BYTES,
      ...(signal === undefined ? {} : { signal }),
    });
    let response: http.IncomingMessage | undefined;
    outgoing.once('socket', (socket) => {
      if (!socket.connecting) return;
      const connecting = setTimeout(() => {
        outgoing.destroy(unreachable(url, method, `no connection within ${connectTimeoutMs} ms`));
      }, connectTimeoutMs);
      const connected = () => clearTimeout(connecting);
      socket.once(isHttps ? 'secureConnect' : 'connect', connected);
      outgoing.once('close', connected);
    });
    outgoing.setTimeout(idleTimeoutMs, () => {
      if (response !== undefined && isHeldBack(response)) {
        outgoing.setTimeout(idleTimeoutMs);
        return;
      }
      const stalled = unreachable(url, method, `nothing moved for ${idleTimeoutMs} ms`);
      response?.destroy(stalled);
      outgoing.destroy(stalled);
    });
    outgoing.once('response', (incoming) => {
      response = incoming;
      resolve(incoming);
    });
    outgoing.on('error', (error) => reject(asFetchError(error, url, method, signal)));
    sendBody(outgoing, body);
  });
}

function sendBody(outgoing: http.ClientRequest, body: GuardedRequest['body']): void {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  if (body.destroyed) outgoing.destroy(new MillraceError('SOURCE_UNREACHABLE', 'a body was closed before it was used'));
  body.once('error', (error) => outgoing.destroy(error));
  body.once('close', () => {
    if (!body.readableEnded) outgoing.destroy(new MillraceError('SOURCE_UNREACHABLE', 'a body was closed before its end'));
  });
  outgoing.once('close', () => body.destroy());
  body.pipe(outgoing);
}

/** True where bytes wait for a reader who does not come: that is not the server's silence. */
function isHeldBack(response: http.IncomingMessage): boolean {
  return response.readableLength > 0 && response.readableLength >= response.readableHighWaterMark;
}

function answer(
  response: http.IncomingMessage,
  url: URL,
  { method }: GuardedRequest,
  maxBodyBytes = Number.POSITIVE_INFINITY,
): GuardedResponse {
  const headers = Object.fromEntries(
    Object.entries(response.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]),
  );
  const declaredBytes = Number(headers['content-length'] ?? 0);
  if (method !== 'HEAD' && declaredBytes > maxBodyBytes) {
    response.destroy();
    const message = `${url.host} sends ${declaredBytes} bytes, more than the ${maxBodyBytes} allowed`;
    throw new MillraceError('TOO_LARGE', message, { context: { host: url.host, declaredBytes, maxBodyBytes } });
  }
  const body = maxBodyBytes === Number.POSITIVE_INFINITY ? response : atMost(response, maxBodyBytes);
  return { status: response.statusCode ?? 0, headers, body, url: url.href };
}

function redirectTarget(response: http.IncomingMessage): string | undefined {
  return REDIRECTS.has(response.statusCode ?? 0) ? response.headers.location : undefined;
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

const isWrite = (method: string | undefined): boolean => method === 'PUT' || method === 'POST';

function unreachable(url: URL, method: string, why: string): MillraceError {
  const code = isWrite(method) ? 'DESTINATION_UNREACHABLE' : 'SOURCE_UNREACHABLE';
  return new MillraceError(code, `${url.host} could not be reached: ${why}`, { context: { host: url.host } });
}

function asFetchError(
  error: Error & { code?: string },
  url: URL,
  method: string,
  signal: AbortSignal | undefined,
): MillraceError {
  if (error instanceof MillraceError) return error;
  const context = { host: url.host };
  if (signal?.aborted === true) return new MillraceError('CANCELLED', `a request to ${url.host} was stopped`, { context });
  return unreachable(url, method, error.code ?? error.name);
}
