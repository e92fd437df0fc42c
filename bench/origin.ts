/** The bucket's part in the bench: serves masters in ranges, takes uploads, counts both, and is as slow as it is told to be. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestedRange } from '../handlers/inputs/gateway.ts';

export interface Throttle {
  /** Of all transfers together, either way. */
  readonly bitsPerSecond: number;
  /** Before each answer. */
  readonly latencyMs: number;
}

export interface Traffic {
  readonly downloads: number;
  readonly downloadedBytes: number;
  readonly uploads: number;
  readonly uploadedBytes: number;
}

export interface MasterFile {
  readonly file: string;
  readonly sizeBytes: number;
}

/** A small one, from memory: reading it is not what is measured, and a bucket's own work is not done on the worker's machine. */
export interface HeldMaster {
  readonly bytes: Buffer;
}

export interface BenchOrigin {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly masterUrl: (name: string) => string;
  readonly uploadUrl: (name: string) => string;
  /** Since the last call. */
  takeTraffic(): Traffic;
  close(): Promise<void>;
}

const NO_TRAFFIC: Traffic = { downloads: 0, downloadedBytes: 0, uploads: 0, uploadedBytes: 0 };

export async function startBenchOrigin(
  masters: ReadonlyMap<string, MasterFile | HeldMaster>,
  throttle: Throttle | undefined,
): Promise<BenchOrigin> {
  let traffic = NO_TRAFFIC;
  const add = (more: Partial<Traffic>) => {
    const { downloads = 0, downloadedBytes = 0, uploads = 0, uploadedBytes = 0 } = more;
    traffic = {
      downloads: traffic.downloads + downloads,
      downloadedBytes: traffic.downloadedBytes + downloadedBytes,
      uploads: traffic.uploads + uploads,
      uploadedBytes: traffic.uploadedBytes + uploadedBytes,
    };
  };
  const link = throttle === undefined ? undefined : createLink(throttle.bitsPerSecond);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (throttle !== undefined) await sleep(throttle.latencyMs);
    if (request.method === 'PUT') return takeUpload(request, response);
    const name = request.url?.slice('/masters/'.length) ?? '';
    const master = masters.get(name);
    if (request.method !== 'GET' || master === undefined) return void response.writeHead(404).end();
    return sendMaster(name, master, request, response);
  }

  async function takeUpload(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let bytes = 0;
    for await (const chunk of request) {
      bytes += chunk.length;
      await link?.(chunk.length);
    }
    add({ uploads: 1, uploadedBytes: bytes });
    response.writeHead(200, { etag: '"stored"' }).end();
  }

  async function sendMaster(name: string, master: MasterFile | HeldMaster, request: IncomingMessage, response: ServerResponse) {
    add({ downloads: 1 });
    const sizeBytes = 'bytes' in master ? master.bytes.length : master.sizeBytes;
    const range = requestedRange(request.headers.range, sizeBytes);
    if (range === 'outside') return void response.writeHead(416, { 'content-range': `bytes */${sizeBytes}` }).end();
    const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
    response.writeHead(range === undefined ? 200 : 206, {
      etag: `"${name}-1"`,
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${sizeBytes}` }),
    });
    if ('bytes' in master) {
      add({ downloadedBytes: end + 1 - start });
      response.end(master.bytes.subarray(start, end + 1));
      return;
    }
    await pipeline(createReadStream(master.file, { start, end }), counted, response);
  }

  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      await link?.(chunk.length);
      add({ downloadedBytes: chunk.length });
      yield chunk;
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The origin has no port.');
  const host = `127.0.0.1:${address.port}`;
  return {
    host,
    masterUrl: (name) => `http://${host}/masters/${name}`,
    uploadUrl: (name) => `http://${host}/uploads/${name}`,
    takeTraffic() {
      const taken = traffic;
      traffic = NO_TRAFFIC;
      return taken;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A timer is not exact: below this the bytes go at once, and those behind them wait longer. */
const SHORTEST_WAIT_MS = 2;

/** Resolves when so many bytes, after all before them, are through a line of that width. */
function createLink(bitsPerSecond: number): (bytes: number) => Promise<void> {
  let freeAtMs = 0;
  return async (bytes) => {
    const nowMs = performance.now();
    freeAtMs = Math.max(freeAtMs, nowMs) + (bytes * 8 * 1000) / bitsPerSecond;
    if (freeAtMs - nowMs > SHORTEST_WAIT_MS) await sleep(freeAtMs - nowMs);
  };
}
