/** A network between client and server that loses, cuts and holds back what it is told to. */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';

/**
 * `lose`: the server acts, its answer is lost. `cut`: half of the body arrives, then the connection dies. `busy`: 503 and nothing
 * happens. `hold`: no answer ever.
 */
export type Fault = 'lose' | 'cut' | 'busy' | 'hold' | undefined;

export interface FaultyNetwork {
  readonly endpoint: string;
  /** What went through, in order: `POST /upload/storage/v1/b/videos/o`. */
  readonly seen: string[];
  /** Asked for every request. */
  fault: (request: IncomingMessage) => Fault;
  close(): Promise<void>;
}

export async function startFaultyNetwork(target: string): Promise<FaultyNetwork> {
  const server = createServer((request, response) => {
    network.seen.push(`${request.method} ${request.url?.split('?')[0]}`);
    const fault = network.fault(request);
    if (fault === 'hold') return void request.resume();
    if (fault === 'busy') return void request.resume().once('end', () => response.writeHead(503).end());
    const onward = httpRequest(`${target}${request.url}`, {
      method: request.method ?? '',
      headers: request.headers,
      agent: false,
    });
    onward.once('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    if (fault === 'cut') {
      const half = Number(request.headers['content-length']) / 2;
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        onward.write(chunk);
        if (bytes >= half) onward.destroy();
      });
      return;
    }
    onward.once('response', (answer) => {
      if (fault === 'lose') return void answer.resume().once('end', () => response.destroy());
      // Google may name another of its hosts there; whoever follows it ends nowhere.
      const location = answer.headers.location?.replace(/^http:\/\/[^/]+/, 'http://127.0.0.1:1');
      response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...(location === undefined ? {} : { location }) });
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const network: FaultyNetwork = {
    endpoint: `http://127.0.0.1:${port}`,
    seen: [],
    fault: () => undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return network;
}
