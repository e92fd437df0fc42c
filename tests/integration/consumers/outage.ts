/** A TCP proxy that can be cut: how a server is away for a while without losing what it holds. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Line {
  /** `http://127.0.0.1:<port>`, the same before and after a cut. */
  readonly endpoint: string;
  /** Ends all connections and refuses new ones. */
  cut(): void;
  /** Keeps connections and takes new ones, but passes nothing on: nobody is told that the server is away. */
  stall(): void;
  mend(): void;
  /** How many connections have been tried since the last cut. */
  tries(): number;
  close(): void;
}

export async function lineTo(endpoint: string): Promise<Line> {
  const target = new URL(endpoint);
  const open = new Set<Socket>();
  let isCut = false;
  let isStalled = false;
  let tries = 0;
  const server = createServer((near) => {
    tries += 1;
    if (isCut) {
      near.resetAndDestroy();
      return;
    }
    if (isStalled) {
      open.add(near);
      near.on('error', () => undefined).once('close', () => open.delete(near));
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('error', () => undefined);
      from.once('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const end = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    cut() {
      isCut = true;
      tries = 0;
      end();
    },
    stall() {
      isStalled = true;
      for (const socket of open) socket.unpipe();
    },
    mend() {
      if (isStalled) end();
      isStalled = false;
      isCut = false;
    },
    tries: () => tries,
    close() {
      server.close();
      end();
    },
  };
}
