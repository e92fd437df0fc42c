/**
 * The answers of Cloudflare's queue API. Only what is used is checked: nearly every field of them is documented as optional.
 */
import { z } from 'zod';
import { decodeBody } from './cloudflare-body.ts';

/** A message without a lease, as a look at the queue shows it. */
export interface PeekedMessage {
  readonly id: string;
  /** As it was sent, a dead-letter note around it included. */
  readonly body: string;
  /** How often it has been pulled. */
  readonly attempts: number;
  /** When it was sent, in milliseconds since 1970. */
  readonly sentAtMs: number | undefined;
  /** Names this message to `purge`. */
  readonly ref: string;
}

export interface PulledMessage extends Omit<PeekedMessage, 'ref'> {
  /** Names this message to `ack`, `retry` and `extend`, for as long as it is not pulled again. */
  readonly leaseId: string;
}

export interface QueueSettings {
  readonly name: string | undefined;
  /** True where its delivery has been paused. */
  readonly paused: boolean;
  /** How long it keeps a message that nobody takes. Undefined where the answer does not say. */
  readonly retentionSeconds: number | undefined;
  /** Whether it has an HTTP pull consumer. */
  readonly pullable: boolean;
  /** Of its HTTP pull consumer: a message is pulled once more than this. Undefined where the answer does not say. */
  readonly maxRetries: number | undefined;
  /** The name of the queue that gets what has been retried too often; without one it is deleted. */
  readonly deadLetterQueue: string | undefined;
}

export interface Settled {
  /** By lease id or ref: why one of them had no effect. */
  readonly warnings: ReadonlyMap<string, string>;
}

/** What an extension did. `leaseId` is the new one, undefined where the answer names none. */
export type Extended = { readonly kind: 'extended'; readonly leaseId: string | undefined } | { readonly kind: 'lost' };

const Problem = z.object({ code: z.number().optional().catch(undefined), message: z.string().catch('') });

export const Envelope = z.object({
  success: z.boolean().optional(),
  errors: z.array(Problem).nullish().catch([]),
  result: z.unknown(),
});

/** JSON bodies may come as what they are instead of as text. */
const Body = z.union([z.string(), z.unknown().transform((value) => JSON.stringify(value ?? null))]);
const Metadata = z
  .looseObject({ 'CF-Content-Type': z.string().optional().catch(undefined) })
  .nullish()
  .catch(undefined);
const Common = z.object({
  id: z.string().catch(''),
  body: Body,
  attempts: z.number().int().min(0).catch(1),
  timestamp_ms: z.number().optional().catch(undefined),
  metadata: Metadata,
});

function common({ id, body, attempts, timestamp_ms, metadata }: z.output<typeof Common>): Omit<PeekedMessage, 'ref'> {
  return { id, body: decodeBody(body, metadata?.['CF-Content-Type']), attempts, sentAtMs: timestamp_ms };
}

const Pulled = Common.extend({ lease_id: z.string().min(1) }).transform((message): PulledMessage => {
  return { ...common(message), leaseId: message.lease_id };
});
const Peeked = Common.extend({ ref: z.string().min(1) }).transform((message): PeekedMessage => {
  return { ...common(message), ref: message.ref };
});

const Messages = z.object({ messages: z.array(z.unknown()).nullish() }).nullish();

export interface MessageList<T> {
  readonly messages: readonly T[];
  /** Messages without what would name them: nothing can be done with one, and it must not take the others with it. */
  readonly unreadable: number;
}

/** Throws a ZodError. */
export function readPulled(result: unknown): MessageList<PulledMessage> {
  return readList(result, Pulled);
}

/** Throws a ZodError. */
export function readPeeked(result: unknown): MessageList<PeekedMessage> {
  return readList(result, Peeked);
}

function readList<T>(result: unknown, schema: z.ZodType<T>): MessageList<T> {
  const found = Messages.parse(result)?.messages ?? [];
  const messages = found.flatMap((value) => {
    const message = schema.safeParse(value);
    return message.success ? [message.data] : [];
  });
  return { messages, unreadable: found.length - messages.length };
}

/** A map by lease id or ref; an older form of the API lists them without. */
const Warnings = z.union([z.record(z.string(), z.string()), z.array(z.string()).transform(withIndexes)]);
const Outcome = z.object({ warnings: Warnings.nullish().catch(undefined) }).nullish();

function withIndexes(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(list.map((text, index) => [String(index), text]));
}

/** Throws a ZodError. */
export function readSettled(result: unknown): Settled {
  return { warnings: new Map(Object.entries(Outcome.parse(result)?.warnings ?? {})) };
}

/**
 * The answer to the extension of one lease. Its schema is not public, so any `lease_id` in it that is not the old one is taken for
 * the new one, and a warning about the old one, or an error, without a new one for the loss of the lease.
 */
export function readExtended(result: unknown, oldLeaseId: string): Extended {
  const leaseId = leaseIds(result, MAX_DEPTH).find((id) => id !== oldLeaseId);
  if (leaseId !== undefined) return { kind: 'extended', leaseId };
  const refused = Refusals.safeParse(result);
  const isRefused = refused.success && (oldLeaseId in refused.data.warnings || refused.data.errors.length > 0);
  return isRefused ? { kind: 'lost' } : { kind: 'extended', leaseId: undefined };
}

const Refusals = z.object({
  warnings: z.record(z.string(), z.unknown()).catch({}),
  errors: z.array(z.unknown()).catch([]),
});

/** `{result: {messages: [{lease_id}]}}` and whatever is a little deeper. */
const MAX_DEPTH = 5;
const NEW_LEASE_NAMES = ['new_lease_id', 'newLeaseId', 'lease_id', 'leaseId'];

function leaseIds(value: unknown, depth: number): string[] {
  if (typeof value !== 'object' || value === null || depth === 0) return [];
  const fields = new Map(Object.entries(value));
  const named = NEW_LEASE_NAMES.flatMap((name) => {
    const id = fields.get(name);
    return typeof id === 'string' && id !== '' ? [id] : [];
  });
  return [...named, ...[...fields.values()].flatMap((inner) => leaseIds(inner, depth - 1))];
}

const Queue = z.object({
  queue_name: z.string().optional().catch(undefined),
  settings: z
    .object({
      delivery_paused: z.boolean().optional().catch(undefined),
      message_retention_period: z.number().optional().catch(undefined),
    })
    .nullish()
    .catch(undefined),
});
const Consumer = z.object({
  type: z.string().optional().catch(undefined),
  dead_letter_queue: z.string().nullish().catch(undefined),
  settings: z
    .object({ max_retries: z.number().int().min(0).optional().catch(undefined) })
    .nullish()
    .catch(undefined),
});

/** From the answers of `GET <queue>` and `GET <queue>/consumers`. Throws a ZodError. */
export function readSettings(queue: unknown, consumers: unknown): QueueSettings {
  const { queue_name: name, settings } = Queue.parse(queue);
  const pull = z
    .array(Consumer)
    .parse(consumers ?? [])
    .find(({ type }) => type === 'http_pull');
  const deadLetterQueue = pull?.dead_letter_queue ?? '';
  return {
    name,
    paused: settings?.delivery_paused ?? false,
    retentionSeconds: settings?.message_retention_period,
    pullable: pull !== undefined,
    maxRetries: pull?.settings?.max_retries,
    deadLetterQueue: deadLetterQueue === '' ? undefined : deadLetterQueue,
  };
}

const Queues = z.array(z.object({ queue_id: z.string().catch(''), queue_name: z.string().catch('') })).nullish();

/** The id of the queue of that name, from the answer of `GET <account>/queues`. Throws a ZodError. */
export function readQueueId(result: unknown, name: string): string | undefined {
  const id = Queues.parse(result)?.find((queue) => queue.queue_name === name)?.queue_id;
  return id === '' ? undefined : id;
}
