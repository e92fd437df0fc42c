/** The API as a server: on an address, until it is stopped. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Registry } from 'prom-client';
import { MillraceError } from '../errors.ts';
import { createApiMetrics } from '../telemetry/api-metrics.ts';
import { createApp } from './app.ts';
import { createJobCosts } from './job-costs.ts';
import { jobView } from './job-view.ts';
import { createJobWatch } from './job-watch.ts';
import { isLoopbackHost } from './origin.ts';
import type { ApiParts } from './parts.ts';
import { fileRoutes } from './routes/file-routes.ts';
import { jobActionRoutes } from './routes/job-action-routes.ts';
import { jobRoutes, planKnownJob } from './routes/job-routes.ts';
import { letterRoutes } from './routes/letter-routes.ts';
import { metricsRoutes } from './routes/metrics-routes.ts';
import { openRoutes } from './routes/open-routes.ts';
import { pipelineRoutes } from './routes/pipeline-routes.ts';
import { sessionRoutes } from './routes/session-routes.ts';
import { DASHBOARD_FOLDER, readStaticFiles } from './static-files.ts';
import { createTokens } from './tokens.ts';

export interface ApiServerOptions extends ApiParts {
  /** An address or a name that this machine listens on. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tokens: readonly string[];
  /** Those that may read /metrics and nothing else. */
  readonly metricsTokens?: readonly string[];
  /** Of one token; 0 is no limit. */
  readonly requestsPerMinute: number;
  readonly maxStreams: number;
  /** How often a watched job is looked at. */
  readonly pollMs?: number;
  readonly version: string;
  /** What a consumer in this process counts: /metrics has both then. */
  readonly registry?: Registry | undefined;
}

export interface ApiServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more requests; answers those that it has, ends the event streams, and resolves. */
  stop(): Promise<void>;
}

/** How long a request may take once the server is to stop. */
const STOP_GRACE_MS = 10_000;
const IDLE_CHECK_MS = 50;
/** How long a client may take to send its request. */
const REQUEST_TIMEOUT_MS = 120_000;
const HEADERS_TIMEOUT_MS = 15_000;
/** Longer than clients and load balancers keep an idle connection: one that is closed as it is used again is a lost request to them. */
const KEEP_ALIVE_MS = 75_000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Throws CONFIG_INVALID where the port is taken, or where the whole world could ask without a token. */
export async function startApi(options: ApiServerOptions): Promise<ApiServer> {
  const { host, port, maxStreams, pollMs, now, log, tokens: secrets, requestsPerMinute, version, trace } = options;
  if (secrets.length === 0 && !isLoopbackHost(host)) {
    throw new MillraceError(
      'CONFIG_INVALID',
      `The API would listen on ${host} without any token: anybody could ask it for anything.`,
      {
        fix: 'Set MILLRACE_API_TOKENS (`openssl rand -hex 24` makes one), or listen on 127.0.0.1.',
      },
    );
  }
  const { metricsTokens: scrapers = [] } = options;
  if (scrapers.length > 0 && secrets.length === 0) {
    throw new MillraceError(
      'CONFIG_INVALID',
      'There are tokens for /metrics and none for the API: it would ask nobody for either.',
      {
        fix: 'Set MILLRACE_API_TOKENS too, or leave MILLRACE_API_METRICS_TOKENS out.',
      },
    );
  }
  let isStopping = false;
  const tokens = createTokens(secrets, now);
  const metricsTokens = createTokens(scrapers, now);
  const costs = createJobCosts(options);
  const watch = createJobWatch({
    look: async (job, signal) => {
      const planned = await planKnownJob(options, job, signal);
      return jobView(planned, await costs.of(planned, undefined, signal));
    },
    maxStreams,
    ...(pollMs === undefined ? {} : { pollMs }),
    log,
  });
  const metrics = createApiMetrics({ version, openStreams: () => watch.streams(), registry: options.registry });
  const app = createApp({
    routes: [
      ...pipelineRoutes(options),
      ...jobRoutes(options, watch, costs),
      ...jobActionRoutes(options),
      ...fileRoutes(options),
      ...letterRoutes(options),
      ...sessionRoutes(tokens),
      ...openRoutes(options, () => isStopping),
      ...metricsRoutes(metrics.registry),
    ],
    ...{ tokens, metricsTokens, requestsPerMinute, version, now, log, metrics, trace },
    files: readStaticFiles(DASHBOARD_FOLDER),
  });
  const answer = getRequestListener((request, env) => {
    const peer = 'incoming' in env ? env.incoming.socket.remoteAddress : undefined;
    return app.fetch(request, peer === undefined ? {} : { peer });
  });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (incoming, outgoing) => void answer(incoming, outgoing),
  );
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const actualPort = await listen(server, host, port);
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`;
  log.info({ url, tokens: secrets.length }, 'the API is listening');

  return {
    url,
    port: actualPort,
    async stop() {
      isStopping = true;
      const closed = once(server, 'close');
      server.close();
      watch.close();
      // Of what is answered from now on, the connections would stay open for the client's next request.
      const idle = setInterval(() => {
        server.closeIdleConnections();
        // Browsers open spare ones. To Node one that has not sent a byte yet is not idle: it waits for the request.
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      }, IDLE_CHECK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
      log.info('the API has stopped');
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new MillraceError('CONFIG_INVALID', `The API cannot listen on ${host}:${port}.`, {
      cause,
      context: { host, port },
      fix: 'Choose another address or port, or port 0 for any free one.',
    });
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
