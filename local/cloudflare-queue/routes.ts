/** The API's requests: what each of them takes, and what it answers as `result`. Shapes: Cloudflare's API reference, Queues. */
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { ApiFault, invalidRequest, noPullConsumer, noRoute, queueNotFound, queuePaused, tooLarge } from './api-fault.ts';
import {
  DEFAULT_BATCH_SIZE,
  DEFAULT_VISIBILITY_MS,
  MAX_BATCH_BYTES,
  MAX_BATCH_SIZE,
  MAX_DELAY_SECONDS,
  MAX_MESSAGE_BYTES,
  MAX_VISIBILITY_MS,
  MESSAGE_OVERHEAD_BYTES,
} from './limits.ts';
import type { ContentType, Message, Messages } from './messages.ts';
import type { Queue, Queues } from './queues.ts';

export interface Service {
  readonly queues: Queues;
  readonly messages: Messages;
  /** JSON bodies leave as they are instead of base64-encoded: both are seen in the field. */
  readonly plainBodies: boolean;
}

type Route = (service: Service, queue: Queue, body: unknown) => unknown;

const BatchSize = z.int().min(1).max(MAX_BATCH_SIZE).default(DEFAULT_BATCH_SIZE);
const Visibility = z.int().min(0).max(MAX_VISIBILITY_MS).default(DEFAULT_VISIBILITY_MS);
const Delay = z.int().min(0).max(MAX_DELAY_SECONDS);
const LeaseId = z.object({ lease_id: z.string() });
const leases = z.array(LeaseId).default([]);
const Sent = z.object({
  body: z.unknown(),
  content_type: z.enum(['json', 'text']).optional(),
  delay_seconds: Delay.optional(),
});

/** By method and the path below the queue's. */
export const routes: ReadonlyMap<string, Route> = new Map([
  ['GET ', (service, queue) => describe(service, queue)],
  ['PATCH ', route(z.object({ settings: z.strictObject({ delivery_paused: z.boolean() }) }), pause)],
  ['GET /consumers', (_service, queue) => consumersOf(queue)],
  ['GET /metrics', (service, queue) => metrics(service, queue)],
  ['POST /messages', route(Sent, (service, queue, message) => send(service, queue, [message], 0))],
  [
    'POST /messages/batch',
    route(z.object({ messages: z.array(Sent), delay_seconds: Delay.default(0) }), (service, queue, batch) =>
      send(service, queue, batch.messages, batch.delay_seconds),
    ),
  ],
  ['POST /messages/pull', route(z.object({ batch_size: BatchSize, visibility_timeout_ms: Visibility }), pull)],
  [
    'POST /messages/ack',
    route(z.object({ acks: leases, retries: z.array(LeaseId.extend({ delay_seconds: Delay.default(0) })).default([]) }), ack),
  ],
  ['POST /messages/extend', route(z.object({ extend: leases, visibility_timeout_ms: Visibility }), extend)],
  ['POST /messages/peek', route(z.object({ batch_size: BatchSize }), peek)],
  ['POST /messages/purge', route(z.object({ refs: z.array(z.object({ ref: z.string() })) }), purge)],
]);

function route<T extends z.ZodType>(schema: T, run: (service: Service, queue: Queue, body: z.output<T>) => unknown): Route {
  return (service, queue, body) => {
    const parsed = schema.safeParse(body);
    if (parsed.success) return run(service, queue, parsed.data);
    const issue = parsed.error.issues[0];
    throw invalidRequest(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  };
}

/** `queueId` is empty for the list of all queues. Throws ApiFault. */
export function answer(service: Service, method: string, queueId: string, path: string, body: unknown): unknown {
  if (queueId === '' && method === 'GET' && path === '') return service.queues.all().map((queue) => describe(service, queue));
  const run = routes.get(`${method} ${path}`);
  if (run === undefined) throw noRoute();
  const queue = service.queues.byId(queueId);
  if (queue === undefined) throw queueNotFound();
  return run(service, queue, body);
}

function describe(service: Service, queue: Queue): object {
  const consumers = consumersOf(queue);
  return {
    queue_id: queue.id,
    queue_name: queue.name,
    created_on: new Date(queue.createdAtMs).toISOString(),
    producers: [],
    producers_total_count: 0,
    consumers,
    consumers_total_count: consumers.length,
    settings: { delivery_paused: service.queues.isPaused(queue.id), message_retention_period: queue.retentionSeconds },
  };
}

function consumersOf(queue: Queue): object[] {
  if (!queue.httpPull) return [];
  const settings = { max_retries: queue.maxRetries };
  return [{ type: 'http_pull', queue_name: queue.name, dead_letter_queue: queue.deadLetterQueue ?? '', settings }];
}

function pause(service: Service, queue: Queue, { settings }: { settings: { delivery_paused: boolean } }): object {
  service.queues.setPaused(queue.id, settings.delivery_paused);
  return describe(service, queue);
}

function metrics({ messages }: Service, queue: Queue): object {
  const { messages: count, bytes } = messages.count(queue.id);
  return { backlog_count: count, backlog_bytes: bytes };
}

function send(service: Service, queue: Queue, sent: readonly z.output<typeof Sent>[], delaySeconds: number): object {
  if (sent.length === 0 || sent.length > MAX_BATCH_SIZE) throw invalidRequest(`messages: a batch has 1 to ${MAX_BATCH_SIZE}`);
  const stored = sent.map((message) => ({ ...storedBody(message), delaySeconds: message.delay_seconds ?? delaySeconds }));
  const sizes = stored.map(({ body }) => Buffer.byteLength(body) + MESSAGE_OVERHEAD_BYTES);
  if (Math.max(...sizes) > MAX_MESSAGE_BYTES) throw tooLarge(`message length exceeds limit of ${MAX_MESSAGE_BYTES} bytes`);
  if (sizes.reduce((sum, size) => sum + size, 0) > MAX_BATCH_BYTES)
    throw tooLarge(`batch exceeds limit of ${MAX_BATCH_BYTES} bytes`);
  for (const { body, contentType, delaySeconds: delay } of stored) service.messages.send(queue.id, body, contentType, delay);
  return { metadata: { metrics: metrics(service, queue) } };
}

/** As R2 sends: JSON as JSON. Throws CONFIG_INVALID where the message is too large. */
export function sendOne(service: Service, queue: Queue, body: string): void {
  try {
    send(service, queue, [isJson(body) ? { body: JSON.parse(body), content_type: 'json' } : { body, content_type: 'text' }], 0);
  } catch (thrown) {
    if (!(thrown instanceof ApiFault)) throw thrown;
    const message = `The local Cloudflare queue "${queue.name}" did not take a message: ${thrown.message}.`;
    throw new MillraceError('CONFIG_INVALID', message, { cause: thrown, context: { name: queue.name } });
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function storedBody({ body, content_type: contentType }: z.output<typeof Sent>): { body: string; contentType: ContentType } {
  const isText = contentType === 'text' || (contentType === undefined && typeof body === 'string');
  if (!isText) return { body: JSON.stringify(body ?? null), contentType: 'json' };
  if (typeof body !== 'string') throw invalidRequest('body: a message of content type text has a string');
  return { body, contentType: 'text' };
}

function pull(service: Service, queue: Queue, input: { batch_size: number; visibility_timeout_ms: number }): object {
  if (!queue.httpPull) throw noPullConsumer();
  if (service.queues.isPaused(queue.id)) throw queuePaused();
  const leased = service.messages.pull(queue, input.batch_size, input.visibility_timeout_ms);
  return {
    message_backlog_count: service.messages.count(queue.id).messages,
    messages: leased.map((message) => ({ ...shown(service, message), lease_id: message.leaseId })),
    metadata: { metrics: metrics(service, queue) },
  };
}

function shown({ plainBodies }: Service, { id, body, contentType, attempts, sentAtMs }: Message): object {
  const isEncoded = contentType === 'json' && !plainBodies;
  return {
    id,
    body: isEncoded ? Buffer.from(body).toString('base64') : body,
    attempts,
    timestamp_ms: sentAtMs,
    metadata: { 'CF-Content-Type': contentType },
  };
}

interface Acks {
  acks: readonly { lease_id: string }[];
  retries: readonly { lease_id: string; delay_seconds: number }[];
}

const STALE = 'the lease is not held any more';

function ack({ messages }: Service, queue: Queue, { acks, retries }: Acks): object {
  const ackFailures = acks.filter(({ lease_id }) => !messages.ack(queue, lease_id));
  const retryFailures = retries.filter(({ lease_id, delay_seconds }) => !messages.retry(queue, lease_id, delay_seconds));
  return {
    ackCount: acks.length - ackFailures.length,
    retryCount: retries.length - retryFailures.length,
    warnings: Object.fromEntries([...ackFailures, ...retryFailures].map(({ lease_id }) => [lease_id, STALE])),
  };
}

function extend(
  { messages }: Service,
  queue: Queue,
  input: { extend: readonly { lease_id: string }[]; visibility_timeout_ms: number },
): object {
  const extended = input.extend.map(({ lease_id }) => {
    return { old: lease_id, lease_id: messages.extend(queue, lease_id, input.visibility_timeout_ms) };
  });
  return {
    messages: extended.flatMap(({ lease_id }) => (lease_id === undefined ? [] : [{ lease_id }])),
    warnings: Object.fromEntries(extended.flatMap(({ old, lease_id }) => (lease_id === undefined ? [[old, STALE]] : []))),
  };
}

function peek(service: Service, queue: Queue, input: { batch_size: number }): object {
  const messages = service.messages.peek(queue, input.batch_size);
  return { messages: messages.map((message) => ({ ...shown(service, message), ref: refOf(message) })) };
}

function refOf({ id }: Message): string {
  return Buffer.from(id).toString('base64url');
}

function purge({ messages }: Service, queue: Queue, { refs }: { refs: readonly { ref: string }[] }): object {
  const failures = refs.filter(({ ref }) => !messages.purge(queue, Buffer.from(ref, 'base64url').toString()));
  return { errors: [], warnings: Object.fromEntries(failures.map(({ ref }) => [ref, 'there is no such message'])) };
}
