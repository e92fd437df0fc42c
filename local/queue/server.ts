/** The HTTP side: AWS JSON 1.0 on loopback. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../../log.ts';
import { LoopbackServer } from '../loopback-server.ts';
import type { Action, Reply } from './action.ts';
import { actionNamed } from './actions/table.ts';
import { type Credentials, checkAuthorization } from './authorization.ts';
import { SqsFault } from './faults.ts';
import { MAX_REQUEST_BYTES } from './limits.ts';
import type { Service } from './service.ts';

export interface ServerOptions {
  readonly credentials: Credentials;
  readonly now: () => number;
  readonly log: Logger;
}

const CONTENT_TYPE = 'application/x-amz-json-1.0';
const TARGET_PREFIX = 'AmazonSQS.';

export class QueueServer {
  readonly #server: LoopbackServer;
  readonly #options: ServerOptions;
  #service: Service | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = new LoopbackServer({
      name: 'The local queue',
      answer: (request, response) => this.#answer(request, response),
    });
  }

  /** Answers the port. Requests get 503 until `serve`. Throws CONFIG_INVALID where the port is taken. */
  listen(port: number): Promise<number> {
    return this.#server.listen(port);
  }

  serve(service: Service): void {
    this.#service = service;
  }

  /** Takes no new work; resolves once every request has its answer. Long polls must be ended by then by their owner. */
  close(): Promise<void> {
    return this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const hangUp = () => gone.abort();
    response.once('close', hangUp);
    // The response closes some turns after the other side has; a message must not be taken in between.
    request.socket.once('end', hangUp);
    const startedMs = performance.now();
    let reply: Reply | undefined;
    let fault: SqsFault | undefined;
    try {
      reply = await this.#run(request, gone.signal);
    } catch (thrown) {
      fault = thrown instanceof SqsFault ? thrown : this.#internal(thrown);
    }
    const written = !gone.signal.aborted && (await respond(response, fault ?? reply?.body ?? {}, this.#server.isClosing));
    request.socket.off('end', hangUp);
    if (!written) await reply?.undelivered?.().catch((thrown: unknown) => this.#internal(thrown));
    this.#options.log.debug(
      { target: targetOf(request), fault: fault?.code, written, ms: Math.round(performance.now() - startedMs) },
      'queue request',
    );
  }

  async #run(request: IncomingMessage, signal: AbortSignal): Promise<Reply> {
    const action = actionOf(request);
    const body = await readBody(request);
    checkAuthorization(request, body, this.#options.credentials, this.#options.now());
    const service = this.#service;
    if (service === undefined || this.#server.isClosing)
      throw new SqsFault('ServiceUnavailable', 'The local queue is starting or stopping.');
    return await action(service, parseJson(body), { signal });
  }

  #internal(thrown: unknown): SqsFault {
    this.#options.log.error({ err: thrown }, 'a queue request failed');
    return new SqsFault('InternalFailure', 'The local queue failed; its log says why.');
  }
}

function targetOf(request: IncomingMessage): string | undefined {
  const target = request.headers['x-amz-target'];
  return Array.isArray(target) ? target[0] : target;
}

function actionOf(request: IncomingMessage): Action {
  const target = targetOf(request);
  if (request.method !== 'POST' || target === undefined) {
    throw new SqsFault(
      'UnsupportedOperation',
      'This local queue speaks only the JSON protocol (POST, AWS JSON 1.0, X-Amz-Target: AmazonSQS.<Action>), not the older query protocol: use an AWS SDK from 2024 or later.',
    );
  }
  if (!target.startsWith(TARGET_PREFIX))
    throw new SqsFault('UnknownOperationException', `${target} is not an action of Amazon SQS.`);
  return actionNamed(target.slice(TARGET_PREFIX.length));
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Read to the end even when it is too long: a client that is still writing would not read the refusal.
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_REQUEST_BYTES) {
    throw new SqsFault('RequestEntityTooLargeException', `A request has at most ${MAX_REQUEST_BYTES} bytes.`);
  }
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.length === 0 ? '{}' : body.toString('utf8'));
  } catch {
    throw new SqsFault('SerializationException', 'The body is not JSON.');
  }
}

/** True once everything has been handed to the operating system; false where the connection was gone before. */
async function respond(response: ServerResponse, content: SqsFault | Reply['body'], closing: boolean): Promise<boolean> {
  if (response.destroyed || response.socket === null || response.socket.destroyed) return false;
  const isFault = content instanceof SqsFault;
  const text = JSON.stringify(isFault ? { __type: content.type, message: content.message } : content);
  const headers = {
    'content-type': CONTENT_TYPE,
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': randomUUID(),
    ...(isFault ? { 'x-amzn-query-error': `${content.queryCode};${content.isSenderFault ? 'Sender' : 'Receiver'}` } : {}),
    ...(closing ? { connection: 'close' } : {}),
  };
  const over = new Promise<void>((resolve) => {
    response.once('finish', resolve);
    response.once('close', resolve);
    response.once('error', () => resolve());
  });
  response.writeHead(isFault ? content.status : 200, headers).end(text);
  await over;
  return response.writableFinished;
}
