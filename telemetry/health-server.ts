/** The small server of a consumer: three paths, GET and HEAD, nothing that can be changed. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asMillraceError, MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { answerHealth, type HealthSource } from './health.ts';

export interface HealthServer {
  /** `http://127.0.0.1:9464` */
  readonly url: string;
  close(): Promise<void>;
}

/** An answer is a few dozen kilobytes, and whoever asks is a machine nearby. */
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8_192;

/** `address` is host:port; port 0 picks a free one. Throws CONFIG_INVALID where it cannot be listened on. */
export async function startHealthServer(address: string, source: HealthSource, log: Logger): Promise<HealthServer> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    answer(source, request, response).catch((thrown: unknown) => {
      log.error({ error: asMillraceError(thrown) }, 'a question about this process could not be answered');
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  server.listen(Number(address.slice(colon + 1)), host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new MillraceError('CONFIG_INVALID', `MILLRACE_HEALTH_ADDRESS: cannot listen on ${address} (${reason})`, {
      cause,
      fix: 'Choose an address of this machine and a port that is free, or leave the variable out.',
    });
  }
  const { port, family, address: at } = server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${at}]` : at}:${port}`;
  return {
    url,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(source: HealthSource, { method, url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const [path = '/'] = url.split('?');
  const found = await answerHealth(source, path);
  if (found === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There are /healthz, /readyz and /metrics.\n');
    return;
  }
  const headers = {
    'content-type': found.contentType,
    'content-length': Buffer.byteLength(found.body),
    'cache-control': 'no-store',
  };
  response.writeHead(found.status, headers).end(method === 'HEAD' ? undefined : found.body);
}
