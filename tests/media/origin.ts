/** A small web server for inputs: ranges or none, ETags with If-Match, and faults on demand. Remembers what it was asked. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface OriginFile {
  readonly file: string;
  /** False: answers 200 with the whole, whatever was asked. */
  readonly ranges?: boolean;
  /** False: no Content-Length. */
  readonly length?: boolean;
  readonly contentType?: string;
  etag?: string;
}

export interface OriginRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifMatch: string | undefined;
}

/** Answers a request itself where it returns true. */
export type Fault = (request: IncomingMessage, response: ServerResponse, count: number) => boolean;

export interface Origin {
  readonly host: string;
  readonly files: Map<string, OriginFile>;
  readonly faults: Map<string, Fault>;
  readonly requests: OriginRequest[];
  /** With a query string that must never be seen again. */
  url(name: string): string;
  close(): Promise<void>;
}

export const SECRET = 'X-Amz-Signature=0123456789abcdef-do-not-print';

export async function startOrigin(): Promise<Origin> {
  const files = new Map<string, OriginFile>();
  const faults = new Map<string, Fault>();
  const requests: OriginRequest[] = [];
  const server = createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://origin').pathname.slice(1));
    const { range, 'if-match': ifMatch } = request.headers;
    requests.push({ path: name, range, ifMatch });
    const count = requests.filter(({ path }) => path === name).length;
    if (faults.get(name)?.(request, response, count) === true) return;
    const found = files.get(name);
    if (found === undefined) return void response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
    serve(found, request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  return {
    ...{ host, files, faults, requests },
    url: (name) => `http://${host}/${encodeURIComponent(name)}?${SECRET}`,
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function serve(found: OriginFile, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { size } = await stat(found.file);
  const etag = `"${found.etag ?? (await etagOf(found.file))}"`;
  const { range, 'if-match': ifMatch } = request.headers;
  if (ifMatch !== undefined && ifMatch !== etag) return void response.writeHead(412).end();
  const type = found.contentType === undefined ? {} : { 'content-type': found.contentType };
  if (found.ranges === false || range === undefined) {
    response.writeHead(200, { etag, ...type, ...(found.length === false ? {} : { 'content-length': size }) });
    return void createReadStream(found.file).pipe(response);
  }
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  const start = Number(first);
  const end = Math.min(last === '' ? size - 1 : Number(last), size - 1);
  if (start >= size) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
  const headers = { etag, ...type, 'content-length': end - start + 1, 'content-range': `bytes ${start}-${end}/${size}` };
  response.writeHead(206, headers);
  createReadStream(found.file, { start, end }).pipe(response);
}

export async function etagOf(file: string): Promise<string> {
  return createHash('md5')
    .update(await readFile(file))
    .digest('hex');
}
