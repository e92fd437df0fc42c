/**
 * The loopback server between ffmpeg and every remote input. ffmpeg sees `http://127.0.0.1:<port>/<token>` and nothing else: no
 * host name, no presigned URL in its arguments, no address of its own choice. What goes wrong upstream is remembered here,
 * because ffmpeg's own message for it says little.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type MillraceError } from '../../errors.ts';
import type { RangedReader } from './ranged-reader.ts';

/** One reading of one input: as long as the process that reads. */
export interface Lease {
  readonly url: string;
  /** The first thing that went wrong upstream. */
  failure(): MillraceError | undefined;
  close(): void;
}

export interface Gateway {
  lease(reader: RangedReader): Lease;
  close(): Promise<void>;
}

export interface GatewayOptions {
  /** An unguessable text, new every time: other users of the machine must not read inputs. */
  readonly randomToken: () => string;
}

interface Entry {
  readonly reader: RangedReader;
  failure: MillraceError | undefined;
}

export async function startGateway({ randomToken }: GatewayOptions): Promise<Gateway> {
  const entries = new Map<string, Entry>();
  const server = createServer((request, response) => {
    const entry = entries.get((request.url ?? '').slice(1));
    if (entry === undefined) return void response.writeHead(404).end();
    serve(entry, request, response).catch((thrown: unknown) => {
      entry.failure ??= asMillraceError(thrown, 'SOURCE_UNREACHABLE');
      // A body cut short is how ffmpeg learns of it once headers are out.
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // The worker's life hangs on its job loop, not on this.
  server.unref();
  const port = portOf(server);
  return {
    lease(reader) {
      const token = randomToken();
      const entry: Entry = { reader, failure: undefined };
      entries.set(token, entry);
      return { url: `http://127.0.0.1:${port}/${token}`, failure: () => entry.failure, close: () => void entries.delete(token) };
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/**
 * ffmpeg asks for everything from an offset to the end, reads a little, and hangs up to seek. Sockets between processes take
 * megabytes before anything is read from them, all of which would have been fetched for nothing: so a response rests a few times
 * at its beginning, long enough for a hang-up to arrive.
 */
const FIRST_CHECKPOINT_BYTES = 256 * 1024;
const LAST_CHECKPOINT_BYTES = 4 * 1024 * 1024;
const CHECKPOINT_MS = 8;

async function serve({ reader }: Entry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
  const total = reader.totalBytes;
  const range = requestedRange(request.headers.range, total);
  if (range === 'outside') return void response.writeHead(416, { 'content-range': `bytes */${total}` }).end();
  const { start, end } = range ?? { start: 0, end: total - 1 };
  const headers = {
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-length': end - start + 1,
    ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${total}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (request.method === 'HEAD') return void response.writeHead(status, headers).end();
  let sentBytes = 0;
  let checkpointBytes = FIRST_CHECKPOINT_BYTES;
  for await (const bytes of reader.read(start, end)) {
    if (sentBytes >= checkpointBytes && checkpointBytes <= LAST_CHECKPOINT_BYTES) {
      await sleep(CHECKPOINT_MS);
      checkpointBytes *= 2;
    }
    if (response.destroyed) return;
    // Only now: an input that cannot be read at all answers 502 instead of an empty 200.
    if (!response.headersSent) response.writeHead(status, headers);
    if (!response.write(bytes)) await drained(response);
    sentBytes += bytes.length;
  }
  if (!response.headersSent) response.writeHead(status, headers);
  response.end();
}

/** ffmpeg hangs up whenever it seeks: that ends the waiting too. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
    if (response.destroyed) done();
  });
}

/** `undefined` where no range is asked for, or one in a form that may be ignored (RFC 9110, 14.2). */
export function requestedRange(
  header: string | undefined,
  total: number,
): { start: number; end: number } | 'outside' | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined) return undefined;
  const start = Number(first);
  const end = last === undefined || last === '' ? total - 1 : Math.min(Number(last), total - 1);
  return start >= total || end < start ? 'outside' : { start, end };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the gateway has no port');
  return address.port;
}
