/** A bucket of plain files on loopback, for measurements whose runs read what others wrote. */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { requestedRange } from '../handlers/inputs/gateway.ts';

export interface FileStore {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  /** For reading and for writing. */
  readonly url: (name: string) => string;
  readonly file: (name: string) => string;
  close(): Promise<void>;
}

/** `onPut` is told of every object once it is there. */
export async function startFileStore(directory: string, onPut: (name: string) => void = () => undefined): Promise<FileStore> {
  const file = (name: string) => join(directory, basename(name));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const name = basename(request.url ?? '');
    if (request.method === 'PUT') {
      await pipeline(request, createWriteStream(file(name)));
      response.writeHead(200).end();
      return onPut(name);
    }
    const { size } = await stat(file(name));
    const range = requestedRange(request.headers.range, size);
    if (range === undefined || range === 'outside') throw new Error(`expected a range of ${name}`);
    const { start, end } = range;
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 });
    await pipeline(createReadStream(file(name), { start, end }), response);
  }

  const server = createServer((request, response) => {
    // Readers may go away in the middle: that is their matter.
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  return {
    ...{ host, file },
    url: (name) => `http://${host}/${name}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
