/** One request and its answer, as the routes see them. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Exchange {
  readonly method: string;
  readonly endpoint: string;
  /** What follows the endpoint in the path: `['status', '<id>']`. Decoded. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly authorization: string;
  /** Text of the body; `undefined` where it is larger than allowed. */
  readonly body: string | undefined;
  /** Aborted when the caller has hung up, or the server closes. */
  readonly gone: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly json?: unknown;
  /** Called when the caller hung up before it had the whole answer. */
  readonly onUndelivered?: () => void;
}

export function answer(status: number, json?: unknown): Answer {
  return json === undefined ? { status } : { status, json };
}

/** RunPod's way of saying no. */
export function refuse(status: number, error: string): Answer {
  return { status, json: { error } };
}

/** The body as text, or `undefined` when it is larger than `maxBytes`; it is read to its end either way. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
  }
  return bytes > maxBytes ? undefined : Buffer.concat(chunks).toString('utf8');
}

/** Sends an answer; resolves when it is delivered or the caller is gone. */
export function send(response: ServerResponse, { status, json, onUndelivered }: Answer): Promise<void> {
  return new Promise((resolve) => {
    const delivered = () => {
      if (!response.writableFinished) onUndelivered?.();
      resolve();
    };
    if (response.destroyed) return delivered();
    response.once('close', delivered);
    if (json === undefined) {
      response.writeHead(status).end();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
}
