/** A small web server that takes PUTs, as a bucket does behind presigned URLs. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { SECRET } from './origin.ts';

export interface Taken {
  readonly body: Buffer;
  readonly headers: IncomingHttpHeaders;
}

export interface Refusal {
  readonly status: number;
  readonly body?: string;
}

export interface Sink {
  readonly host: string;
  readonly taken: Map<string, Taken>;
  /** In the order of their arrival, refused ones included. */
  readonly order: string[];
  /** For a name: what the next PUTs are refused with, first come first served. */
  readonly refusals: Map<string, Refusal[]>;
  url(name: string): string;
  json(name: string): unknown;
  close(): Promise<void>;
}

export async function startSink(): Promise<Sink> {
  const taken = new Map<string, Taken>();
  const refusals = new Map<string, Refusal[]>();
  const order: string[] = [];
  const server = createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url ?? '/', 'http://sink').pathname.slice(1));
    order.push(name);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const refusal = refusals.get(name)?.shift();
      if (refusal !== undefined) return void response.writeHead(refusal.status).end(refusal.body ?? '');
      if (request.method !== 'PUT' || request.headers['content-length'] === undefined) return void response.writeHead(411).end();
      taken.set(name, { body: Buffer.concat(chunks), headers: request.headers });
      response.writeHead(200, { etag: '"stored"' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  return {
    ...{ host, taken, refusals, order },
    url: (name) => `http://${host}/${name}?${SECRET}`,
    json: (name) => JSON.parse(taken.get(name)?.body.toString('utf8') ?? 'null'),
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
