/**
 * The client of one Cloudflare Queue: its HTTP API for pulling, sending and looking, as the API reference describes it
 * (developers.cloudflare.com/api, Queues). The token stands in one header and nowhere else.
 */
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import {
  type Extended,
  type MessageList,
  type PeekedMessage,
  type PulledMessage,
  type QueueSettings,
  readExtended,
  readPeeked,
  readPulled,
  readQueueId,
  readSettings,
  readSettled,
  type Settled,
} from './cloudflare-answer.ts';
import { callCloudflare } from './cloudflare-call.ts';

export interface CloudflareClientOptions {
  /** `https://api.cloudflare.com/client/v4/accounts/<account>/queues/<queue id>` */
  readonly queueUrl: string;
  /** An API token with Queues Edit. */
  readonly token: string;
  /** For each request, its answer included. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

export interface Retry {
  readonly leaseId: string;
  /** 0 to 86,400. */
  readonly delaySeconds: number;
}

/**
 * Every method throws QUEUE_UNREACHABLE, QUEUE_BUSY (with `context.retryAfterMs` where the answer says), QUEUE_FORBIDDEN or
 * QUEUE_ERROR. Each is one request, never repeated by itself.
 */
export interface CloudflareClient {
  /** Leases up to `batchSize` (1 to 100) messages. Also throws QUEUE_PAUSED and QUEUE_NOT_PULLABLE. */
  pull(batchSize: number, visibilityTimeoutMs: number, signal?: AbortSignal): Promise<MessageList<PulledMessage>>;
  /** Removes messages and gives others back; what had no effect is in the warnings. Late is accepted. */
  settle(acks: readonly string[], retries: readonly Retry[], signal?: AbortSignal): Promise<Settled>;
  /** Begins one message's lease anew; it usually gets another id, and the old one is void then. */
  extend(leaseId: string, visibilityTimeoutMs: number, signal?: AbortSignal): Promise<Extended>;
  /** Shows up to `batchSize` (1 to 100) messages and leases none. */
  peek(batchSize: number, signal?: AbortSignal): Promise<MessageList<PeekedMessage>>;
  /** Deletes messages that `peek` has shown; what had no effect is in the warnings. */
  purge(refs: readonly string[], signal?: AbortSignal): Promise<Settled>;
  /** As text: it is pulled as it was sent. */
  send(body: string, options?: { readonly delaySeconds?: number; readonly signal?: AbortSignal }): Promise<void>;
  /** All or none; at most MAX_BATCH_MESSAGES and MAX_BATCH_BYTES. */
  sendBatch(bodies: readonly string[], signal?: AbortSignal): Promise<void>;
  /** Of the queue and its HTTP pull consumer. */
  settings(signal?: AbortSignal): Promise<QueueSettings>;
  /** The client of another queue of the same account; undefined where there is none of that name. */
  sibling(name: string, signal?: AbortSignal): Promise<CloudflareClient | undefined>;
}

/** Cloudflare's limits. A kilobyte is 1,000 bytes there, and each message counts some 100 bytes more than its body. */
export const MAX_BATCH_MESSAGES = 100;
export const MAX_BATCH_BYTES = 256_000;
export const MAX_MESSAGE_BYTES = 128_000;
export const MESSAGE_OVERHEAD_BYTES = 100;

const DEFAULT_TIMEOUT_MS = 30_000;
const QUEUE_PATH = /\/accounts\/[^/]+\/queues\/[^/]+$/;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Throws CONFIG_INVALID. */
export function createCloudflareClient(options: CloudflareClientOptions): CloudflareClient {
  const url = checkedUrl(options.queueUrl);
  // Checked here, because an HTTP client would quote a token that no header can hold.
  if (!/^[\x21-\x7e]+$/.test(options.token)) {
    throw new MillraceError(
      'CONFIG_INVALID',
      'The API token of the Cloudflare queue is empty or holds a character that no header can.',
    );
  }
  const { token, timeoutMs = DEFAULT_TIMEOUT_MS } = options;

  async function call<T>(path: string, body: object | undefined, read: (result: unknown) => T, signal?: AbortSignal): Promise<T> {
    return await callAt(`${url}${path}`, body, read, signal);
  }

  async function callAt<T>(at: string, body: object | undefined, read: (result: unknown) => T, signal?: AbortSignal): Promise<T> {
    const result = await callCloudflare({ url: at, token, body, timeoutMs, signal, fetch: options.fetch });
    try {
      return read(result);
    } catch (thrown) {
      if (!(thrown instanceof z.ZodError)) throw thrown;
      const field = thrown.issues[0]?.path.join('.') ?? '';
      throw new MillraceError('QUEUE_UNREACHABLE', `The queue's answer cannot be read at "result.${field}".`);
    }
  }

  return {
    pull: (batchSize, visibilityTimeoutMs, signal) =>
      call('/messages/pull', { batch_size: batchSize, visibility_timeout_ms: visibilityTimeoutMs }, readPulled, signal),
    settle: (acks, retries, signal) => {
      const body = {
        acks: acks.map((leaseId) => ({ lease_id: leaseId })),
        retries: retries.map(({ leaseId, delaySeconds }) => ({ lease_id: leaseId, delay_seconds: delaySeconds })),
      };
      return call('/messages/ack', body, readSettled, signal);
    },
    extend: (leaseId, visibilityTimeoutMs, signal) => {
      const body = { extend: [{ lease_id: leaseId }], visibility_timeout_ms: visibilityTimeoutMs };
      return call('/messages/extend', body, (result) => readExtended(result, leaseId), signal);
    },
    peek: (batchSize, signal) => call('/messages/peek', { batch_size: batchSize }, readPeeked, signal),
    purge: (refs, signal) => call('/messages/purge', { refs: refs.map((ref) => ({ ref })) }, readSettled, signal),
    send: (body, { delaySeconds, signal } = {}) => {
      const delay = delaySeconds === undefined ? {} : { delay_seconds: delaySeconds };
      return call('/messages', { ...textMessage(body), ...delay }, () => undefined, signal);
    },
    sendBatch: (bodies, signal) => call('/messages/batch', { messages: bodies.map(textMessage) }, () => undefined, signal),
    settings: async (signal) => {
      const queue = await call('', undefined, (result) => result, signal);
      return await call('/consumers', undefined, (consumers) => readSettings(queue, consumers), signal);
    },
    sibling: async (name, signal) => {
      const queuesUrl = url.slice(0, url.lastIndexOf('/'));
      const id = await callAt(queuesUrl, undefined, (result) => readQueueId(result, name), signal);
      return id === undefined
        ? undefined
        : createCloudflareClient({ ...options, queueUrl: `${queuesUrl}/${encodeURIComponent(id)}` });
    },
  };
}

function textMessage(body: string): { body: string; content_type: 'text' } {
  return { body, content_type: 'text' };
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const path = url?.pathname.replace(/\/+$/, '') ?? '';
  if (url === undefined || url.username !== '' || url.search !== '' || url.hash !== '' || !QUEUE_PATH.test(path)) {
    throw new MillraceError('CONFIG_INVALID', "The URL of the Cloudflare queue does not have the form of the API's.", {
      fix: 'Give https://api.cloudflare.com/client/v4/accounts/<account id>/queues/<queue id>.',
    });
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))) return `${url.origin}${path}`;
  throw new MillraceError(
    'CONFIG_INVALID',
    `The URL of the Cloudflare queue begins with ${url.protocol}, which would show the token.`,
    {
      fix: 'Use https:// (http:// is for this machine alone).',
    },
  );
}
