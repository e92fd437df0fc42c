/** The HTTP side, on loopback: the token, Cloudflare's envelope around every answer, and failures on demand. */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../log.ts';
import { LOOPBACK, LoopbackServer } from '../loopback-server.ts';
import { ApiFault, invalidRequest, noRoute, notAuthenticated, tooLarge } from './api-fault.ts';
import { MAX_REQUEST_BYTES } from './limits.ts';

/** What a request asks for: `path` is what follows the queue's id, which is empty for all queues together. */
export interface ApiRequest {
  readonly method: string;
  readonly queueId: string;
  readonly path: string;
  readonly body: unknown;
}

export interface FailureOnDemand {
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds?: number;
  /** `/messages/pull`, `/event_notifications`; all requests unless given. */
  readonly path?: string;
  /** How many requests fail; 1 unless given. */
  readonly times?: number;
}

export interface ApiServerOptions {
  readonly accountId: string;
  readonly token: string;
  readonly log: Logger;
  /** Its answer is the envelope's `result`. Throws ApiFault. */
  readonly answer: (request: ApiRequest) => unknown;
  /** The same for R2's event notifications; `path` is what follows `/event_notifications/r2`. */
  readonly describeNotifications: (path: string) => unknown;
}

export const API_PATH = '/client/v4/accounts';

export class ApiServer {
  readonly #server: LoopbackServer;
  readonly #options: ApiServerOptions;
  readonly #failures: { failure: FailureOnDemand; left: number }[] = [];

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#server = new LoopbackServer({
      name: 'The local Cloudflare queue',
      answer: (request, response) => this.#respond(request, response),
    });
  }

  /** Answers the port. Throws CONFIG_INVALID where the port is taken. */
  listen(port: number): Promise<number> {
    return this.#server.listen(port);
  }

  failOnDemand(failure: FailureOnDemand): void {
    this.#failures.push({ failure, left: failure.times ?? 1 });
  }

  /** Takes no new work; resolves once every request has its answer. */
  close(): Promise<void> {
    return this.#server.close();
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let result: unknown = null;
    let fault: ApiFault | undefined;
    try {
      result = await this.#run(request);
    } catch (thrown) {
      fault = thrown instanceof ApiFault ? thrown : new ApiFault(500, 10_013, 'internal error');
      // A caller that hung up in the middle of its request is no defect of this server.
      const isOurs = fault !== thrown && request.errored === null;
      if (isOurs) this.#options.log.error({ err: thrown }, 'a request to the local Cloudflare queue failed');
    }
    const errors = fault === undefined ? [] : [{ code: fault.code, message: fault.message }];
    if (response.destroyed) return;
    response.writeHead(fault?.status ?? 200, {
      'content-type': 'application/json',
      ...(fault?.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
      ...(this.#server.isClosing ? { connection: 'close' } : {}),
    });
    response.end(JSON.stringify({ success: fault === undefined, errors, messages: [], result }));
  }

  async #run(request: IncomingMessage): Promise<unknown> {
    const body = await readBody(request);
    const url = new URL(request.url ?? '/', `http://${LOOPBACK}`);
    if (!sameText(request.headers.authorization ?? '', `Bearer ${this.#options.token}`)) throw notAuthenticated();
    const account = `${API_PATH}/${this.#options.accountId}`;
    const notifications = `${account}/event_notifications/r2/`;
    if (request.method === 'GET' && url.pathname.startsWith(notifications)) {
      this.#failIfAsked('/event_notifications');
      return this.#options.describeNotifications(url.pathname.slice(notifications.length - 1));
    }
    const prefix = `${account}/queues`;
    const [before, queueId = '', ...rest] = url.pathname.slice(prefix.length).split('/');
    if (!url.pathname.startsWith(prefix) || before !== '') throw noRoute();
    const path = rest.length === 0 ? '' : `/${rest.join('/')}`;
    this.#failIfAsked(path);
    return this.#options.answer({ method: request.method ?? '', queueId, path, body: parseJson(body) });
  }

  #failIfAsked(path: string): void {
    const index = this.#failures.findIndex(({ failure }) => failure.path === undefined || failure.path === path);
    const asked = this.#failures[index];
    if (asked === undefined) return;
    asked.left -= 1;
    if (asked.left <= 0) this.#failures.splice(index, 1);
    const { status, message, retryAfterSeconds } = asked.failure;
    throw new ApiFault(status, 10_000 + status, message, retryAfterSeconds);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Read to the end even when it is too long: a client that is still writing would not read the refusal.
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_REQUEST_BYTES) throw tooLarge(`a request has at most ${MAX_REQUEST_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    throw invalidRequest('the body is not JSON');
  }
}

function sameText(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
