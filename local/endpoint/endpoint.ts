/**
 * A RunPod endpoint on this machine: the API that callers use and the one that containers use, with the same paths,
 * headers and manners. Jobs are kept on disk, so that both a restart and a kill leave them where they were.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { createClientRoutes } from './client-routes.ts';
import { type Answer, type Exchange, readBody, refuse, send } from './exchange.ts';
import { createJobBook } from './job-book.ts';
import { openJobTable } from './job-table.ts';
import { createWakeUps } from './wake-ups.ts';
import { createWorkerBook, type WorkerRecord } from './worker-book.ts';
import { createWorkerRoutes } from './worker-routes.ts';

export interface EndpointOptions {
  /** Holds `endpoint.sqlite`; made if it is not there. */
  readonly dataDir: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** What callers send as `Authorization: Bearer`. */
  readonly apiKey: string;
  readonly log: Logger;
  readonly now?: () => number;
  /** The endpoints that it serves; `local` unless told, and the first is the one of `runUrl`. */
  readonly endpointIds?: readonly [string, ...string[]];
  readonly pingIntervalMs?: number;
  readonly holdMs?: number;
  readonly maxHandOuts?: number;
  readonly maxResultBytes?: number;
  /** Sees every request before it is handled; what it returns happens to that request instead. For tests. */
  readonly onRequest?: (request: RequestTrace) => RequestFault | undefined;
}

export interface RequestTrace {
  readonly method: string;
  /** Path and query as they came, byte for byte. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export type RequestFault =
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection is cut without an answer: before the request is handled, or after. */
  | { readonly kind: 'hang-up'; readonly handled: boolean };

export interface LocalEndpoint {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  /** The base URL of the first endpoint: `…/v2/local`. */
  readonly runUrl: string;
  /** Everyone who called as a worker, those that called last at the end. */
  readonly workers: readonly WorkerRecord[];
  /** What RunPod would put into a container's environment. */
  workerEnvironment(workerId: string, endpointId?: string): Record<string, string>;
  close(): Promise<void>;
}

/** RunPod's limit for the body of `/run`. */
export const MAX_RUN_BODY_BYTES = 10 * 1024 * 1024;
/** RunPod's own is not documented. */
const MAX_RESULT_BYTES = 10 * 1024 * 1024;
const PING_INTERVAL_MS = 10_000;
const HOLD_MS = 30_000;
const MAX_HAND_OUTS = 2;
const MAX_SWEEP_INTERVAL_MS = 1_000;

export async function startEndpoint(options: EndpointOptions): Promise<LocalEndpoint> {
  const { apiKey, log, now = Date.now, pingIntervalMs = PING_INTERVAL_MS } = options;
  const endpointIds = options.endpointIds ?? (['local'] as const);
  /** Containers have a key of their own, as on RunPod; made from the other, so that it outlives a restart. */
  const workerKey = createHmac('sha256', apiKey).update('worker').digest('hex');

  mkdirSync(options.dataDir, { recursive: true });
  const table = openJobTable(join(options.dataDir, 'endpoint.sqlite'));
  const wakeUps = createWakeUps();
  const workers = createWorkerBook(now, (workerId) => wakeUps.wake(`stop ${workerId}`));
  const book = createJobBook({
    table,
    workers,
    now,
    pingIntervalMs,
    maxHandOuts: options.maxHandOuts ?? MAX_HAND_OUTS,
    onQueued: (endpoint) => wakeUps.wake(`queued ${endpoint}`),
    onEnded: (jobId) => wakeUps.wake(`ended ${jobId}`),
  });
  const clientRoutes = createClientRoutes({ book, workers, wakeUps, now, pingIntervalMs });
  const workerRoutes = createWorkerRoutes({ book, workers, wakeUps, holdMs: options.holdMs ?? HOLD_MS });
  const closing = new AbortController();

  async function route(exchange: Exchange): Promise<Answer> {
    if (!endpointIds.includes(exchange.endpoint)) return refuse(404, 'There is no such endpoint.');
    const isWorkers = WORKER_CALLS.has(exchange.path[0] ?? '');
    const wanted = isWorkers ? workerKey : `Bearer ${apiKey}`;
    if (!isSame(exchange.authorization, wanted)) return refuse(401, 'The API key is missing or wrong.');
    book.sweep();
    const handled = (isWorkers ? workerRoutes : clientRoutes)(exchange);
    return (await handled) ?? refuse(404, 'There is no such call.');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const hangUp = () => gone.abort();
    response.once('close', hangUp);
    closing.signal.addEventListener('abort', hangUp, { once: true });
    try {
      const url = URL.parse(request.url ?? '', 'http://127.0.0.1');
      const [version, endpoint = '', ...path] = url?.pathname.split('/').slice(1).map(decode) ?? [];
      if (url === null || version !== 'v2') return await send(response, refuse(404, 'There is no such call.'));
      const isWorkers = WORKER_CALLS.has(path[0] ?? '');
      const body = await readBody(request, isWorkers ? (options.maxResultBytes ?? MAX_RESULT_BYTES) : MAX_RUN_BODY_BYTES);
      const method = request.method ?? 'GET';
      const { headers } = request;
      const fault = options.onRequest?.({ method, url: request.url ?? '', headers, body: body ?? '' });
      if (fault?.kind === 'answer') {
        response.writeHead(fault.status, fault.headers).end();
        return;
      }
      if (fault?.handled === false) return void response.destroy();
      const authorization = headers.authorization ?? '';
      const exchange = { method, endpoint, path, query: url.searchParams, authorization, body, gone: gone.signal };
      const reply = await route(exchange);
      if (fault?.handled === true) return void response.destroy();
      await send(response, reply);
    } finally {
      closing.signal.removeEventListener('abort', hangUp);
    }
  }

  const serving = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const served = serve(request, response)
      .catch((error: unknown) => {
        if (response.destroyed) return;
        log.error({ error }, 'The local endpoint could not handle a request.');
        if (response.headersSent) response.destroy();
        else response.writeHead(500).end();
      })
      .finally(() => serving.delete(served));
    serving.add(served);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  }).catch((cause: unknown) => {
    table.close();
    const message = `The local endpoint cannot listen on port ${options.port} of this machine.`;
    throw new MillraceError('CONFIG_INVALID', message, { cause, fix: 'Choose another port, or end what uses it.' });
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const endpoint = `http://127.0.0.1:${port}`;
  let closed: Promise<void> | undefined;
  const sweeper = setInterval(book.sweep, Math.min(MAX_SWEEP_INTERVAL_MS, pingIntervalMs));

  return {
    endpoint,
    runUrl: `${endpoint}/v2/${endpointIds[0]}`,
    get workers() {
      return workers.workers;
    },
    workerEnvironment(workerId, endpointId = endpointIds[0]) {
      const base = `${endpoint}/v2/${endpointId}`;
      return {
        RUNPOD_WEBHOOK_GET_JOB: `${base}/job-take/$ID?gpu=$RUNPOD_GPU_TYPE_ID`,
        RUNPOD_WEBHOOK_POST_OUTPUT: `${base}/job-done/$RUNPOD_POD_ID/$ID?gpu=$RUNPOD_GPU_TYPE_ID`,
        RUNPOD_WEBHOOK_POST_STREAM: `${base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=$RUNPOD_GPU_TYPE_ID`,
        RUNPOD_WEBHOOK_PING: `${base}/ping/$RUNPOD_POD_ID?gpu=$RUNPOD_GPU_TYPE_ID`,
        RUNPOD_PING_INTERVAL: String(pingIntervalMs),
        RUNPOD_AI_API_KEY: workerKey,
        RUNPOD_POD_ID: workerId,
        RUNPOD_GPU_TYPE_ID: 'This Machine',
        RUNPOD_ENDPOINT_ID: endpointId,
      };
    },
    close() {
      closed ??= close();
      return closed;
    },
  };

  async function close(): Promise<void> {
    clearInterval(sweeper);
    closing.abort();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    await Promise.all(serving);
    table.close();
  }
}

const WORKER_CALLS = new Set(['job-take', 'job-take-batch', 'job-stop', 'job-done', 'job-stream', 'ping']);

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** In constant time, whatever the lengths. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
