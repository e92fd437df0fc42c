/**
 * The loopback server between ffmpeg and every remote input. ffmpeg sees `http://127.0.0.1:<port>/<token>` and nothing else: no
 * host name, no presigned URL in its arguments, no address of its own choice. What goes wrong upstream is remembered here,
 * because ffmpeg's own message for it says little.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type MillraceError } from '../../errors.ts';
import { unreadBytes } from './unread-bytes.ts';

/** What can be served: a `RangedReader`, or a file. */
export interface Ranges {
  readonly totalBytes: number;
  /** See `RangedReader`. */
  read(start: number, end: number, isMoreWanted?: () => Promise<boolean>): AsyncIterable<Buffer>;
}

/** One reading of one input: as long as the process that reads. */
export interface Lease {
  readonly url: string;
  /** The first thing that went wrong upstream. */
  failure(): MillraceError | undefined;
  close(): void;
}

/**
 * `parts`: the process will hang up and ask from elsewhere, so that little more is to be fetched than it takes. `whole`: sooner or later it reads
 * nearly every byte, and waits for none of them; what was fetched before a seek is held for after it.
 */
export type Reading = 'parts' | 'whole';

export interface Gateway {
  /** Where `input` is yet to come, whoever asks is answered once it is there; if it never is, that is the lease's failure. */
  lease(input: Ranges | Promise<Ranges>, reading: Reading): Lease;
  close(): Promise<void>;
}

export interface GatewayOptions {
  /** An unguessable text, new every time: other users of the machine must not read inputs. */
  readonly randomToken: () => string;
}

interface Entry {
  readonly input: Ranges | Promise<Ranges>;
  readonly reading: Reading;
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
    lease(input, reading) {
      const token = randomToken();
      // Told to whoever asks, and nobody may.
      if (input instanceof Promise) input.catch(() => {});
      const entry: Entry = { input, reading, failure: undefined };
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
 * megabytes before anything is read from them, all of which would have been fetched for nothing: so at the beginning of a response to who
 * reads in parts more is fetched only once everything that was sent has been taken.
 */
const WATCHED_BYTES = 2 * 1024 * 1024;
/** Between two looks, which take the kernel some milliseconds each where its tables are large. */
const LOOK_INTERVAL_MS = { first: 4, most: 32 };
/** Where nobody can tell what was taken: long enough for a hang-up to arrive. */
const REST_MS = 8;

async function serve({ input, reading }: Entry, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
  const ranges = await input;
  const total = ranges.totalBytes;
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
  const isMoreWanted = async () => sentBytes > WATCHED_BYTES || (await isAllTaken(response));
  for await (const bytes of ranges.read(start, end, reading === 'parts' ? isMoreWanted : undefined)) {
    if (response.destroyed) return;
    // Only now: an input that cannot be read at all answers 502 instead of an empty 200.
    if (!response.headersSent) response.writeHead(status, headers);
    if (!response.write(bytes)) await drained(response);
    sentBytes += bytes.length;
  }
  if (!response.headersSent) response.writeHead(status, headers);
  response.end();
}

/** Waits until the reader has taken all that was sent, and answers true; false where it has hung up. */
async function isAllTaken(response: ServerResponse): Promise<boolean> {
  const { localPort: senderPort, remotePort: readerPort } = response.socket ?? {};
  for (let waitMs = LOOK_INTERVAL_MS.first; !response.destroyed; waitMs = Math.min(2 * waitMs, LOOK_INTERVAL_MS.most)) {
    const unread =
      senderPort === undefined || readerPort === undefined ? undefined : await unreadBytes({ senderPort, readerPort });
    if (unread === 0 && response.writableLength === 0) return !response.destroyed;
    if (unread === undefined) {
      await sleep(REST_MS);
      return !response.destroyed;
    }
    await sleep(waitMs);
  }
  return false;
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
