/** A small web server on loopback with a few files: where `sources.json` sends the workers. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../../errors.ts';

export interface Origin {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  url(name: string): string;
  close(): Promise<void>;
}

/** `files` by the name that they are served under. */
export async function startOrigin(files: ReadonlyMap<string, string>): Promise<Origin> {
  const server = createServer((request, response) => {
    serve(files, request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new MillraceError('INTERNAL', 'the web server has no port');
  const host = `127.0.0.1:${address.port}`;
  return {
    host,
    url: (name) => `http://${host}/${name}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function serve(files: ReadonlyMap<string, string>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const file = files.get((request.url ?? '').slice(1));
  if (file === undefined) return void response.writeHead(404).end();
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405, { allow: 'GET, HEAD' }).end();
  const { size, mtimeMs } = await stat(file);
  const headers = { etag: `"${size}-${Math.floor(mtimeMs)}"`, 'accept-ranges': 'bytes' };
  const span = request.headers.range === undefined ? { start: 0, end: size - 1 } : rangeOf(request.headers.range, size);
  if (span === null) return void response.writeHead(416, { ...headers, 'content-range': `bytes */${size}` }).end();
  const { start, end } = span;
  const isPart = request.headers.range !== undefined;
  const partHeaders = isPart ? { 'content-range': `bytes ${start}-${end}/${size}` } : {};
  response.writeHead(isPart ? 206 : 200, { ...headers, ...partHeaders, 'content-length': end - start + 1 });
  if (request.method === 'HEAD') return void response.end();
  await pipeline(createReadStream(file, { start, end }), response);
}

/** `bytes=5-9`, `bytes=5-` and `bytes=-5`, both bounds inclusive; `null` for what cannot be answered. */
export function rangeOf(header: string, size: number): { start: number; end: number } | null {
  const [whole, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (whole === undefined || (first === '' && last === '')) return null;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start <= end ? { start, end } : null;
}
