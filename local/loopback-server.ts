/** An HTTP server on loopback that knows which of its requests are open, and ends without cutting one off. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { MillraceError } from '../errors.ts';

export const LOOPBACK = '127.0.0.1';
/** Longer than clients keep an idle connection: one that is closed as it is used again looks like a lost request to them. */
const KEEP_ALIVE_MS = 75_000;
/** How long connections may stay open once every request has its answer. */
const CLOSE_GRACE_MS = 2_000;

export interface LoopbackServerOptions {
  /** As errors name it: `The local queue`. */
  readonly name: string;
  /** Must answer every request, and never reject. */
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export class LoopbackServer {
  readonly #server: Server;
  readonly #options: LoopbackServerOptions;
  /** Requests that are being answered. */
  readonly #open = new Set<Promise<void>>();
  #closing = false;

  constructor(options: LoopbackServerOptions) {
    this.#options = options;
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      const answered = options.answer(request, response);
      this.#open.add(answered);
      void answered.finally(() => this.#open.delete(answered));
    });
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  /** Answers the port. Throws CONFIG_INVALID where it is taken. */
  async listen(port: number): Promise<number> {
    try {
      this.#server.listen(port, LOOPBACK);
      await once(this.#server, 'listening');
    } catch (thrown) {
      throw new MillraceError('CONFIG_INVALID', `${this.#options.name} cannot listen on ${LOOPBACK}:${port}.`, {
        cause: thrown,
        context: { port },
        fix: 'Choose another port, or 0 for any free one.',
      });
    }
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Takes no new work; resolves once every request has its answer. Long polls must be ended by then by their owner. */
  async close(): Promise<void> {
    this.#closing = true;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    await Promise.allSettled(this.#open);
    const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(cut);
  }
}
