/** A queue that stops answering without a word: a proxy that passes everything on until it is frozen. */
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FreezableQueue {
  readonly url: string;
  freeze(): void;
  close(): Promise<void>;
}

export async function startFreezableQueue(queueUrl: string): Promise<FreezableQueue> {
  const target = new URL(queueUrl);
  let isFrozen = false;
  const server = createServer((incoming, outgoing) => {
    if (isFrozen) return;
    // The host stays as it was signed.
    const { method, url: path, headers } = incoming;
    const passed = forward({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
      if (isFrozen) return;
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${target.pathname}`,
    freeze() {
      isFrozen = true;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
