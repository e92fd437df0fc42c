/**
 * The table of messages, and what pulling, settling and extending do to it. A message is visible from `visible_at_ms` on; one that
 * has been pulled has a lease id until it is pulled or retried again, so a late acknowledgement still finds it.
 */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MAX_EXHAUSTED_PER_PULL } from './limits.ts';
import type { Queue, Queues } from './queues.ts';

export const ContentType = z.enum(['json', 'text']);
export type ContentType = z.infer<typeof ContentType>;

const Row = z
  .object({
    seq: z.number(),
    id: z.string(),
    body: z.string(),
    content_type: ContentType,
    sent_at_ms: z.number(),
    attempts: z.number(),
    lease_id: z.string().nullable(),
  })
  .transform(({ seq, id, body, content_type, sent_at_ms, attempts, lease_id }) => ({
    seq,
    id,
    body,
    contentType: content_type,
    sentAtMs: sent_at_ms,
    attempts,
    leaseId: lease_id,
  }));
export type Message = z.output<typeof Row>;

export interface Lease extends Message {
  readonly leaseId: string;
}

export interface MessagesOptions {
  readonly database: DatabaseSync;
  readonly queues: Queues;
  readonly now: () => number;
  readonly newId: () => string;
}

/** Each method is part of a transaction that its caller has begun. */
export class Messages {
  readonly #options: MessagesOptions;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(options: MessagesOptions) {
    this.#options = options;
    this.#sql = prepare(options.database);
  }

  send(queueId: string, body: string, contentType: ContentType, delaySeconds: number): void {
    const { now, newId } = this.#options;
    this.#sql.insert.run(queueId, newId(), body, contentType, now(), now() + delaySeconds * 1000);
  }

  pull(queue: Queue, batchSize: number, visibilityMs: number): Lease[] {
    const nowMs = this.#options.now();
    const leases: Lease[] = [];
    this.#expire(queue);
    // What has had its last attempt, and whose lease has run out, ends here instead of being handed out.
    for (const row of this.#sql.exhausted.all(queue.id, nowMs, queue.maxRetries, MAX_EXHAUSTED_PER_PULL)) {
      this.#exhaust(queue, Row.parse(row));
    }
    for (const row of this.#sql.available.all(queue.id, nowMs, queue.maxRetries, batchSize)) {
      const message = Row.parse(row);
      const leaseId = this.#options.newId();
      this.#sql.lease.run(leaseId, nowMs + visibilityMs, message.seq);
      leases.push({ ...message, attempts: message.attempts + 1, leaseId });
    }
    return leases;
  }

  peek(queue: Queue, batchSize: number): Message[] {
    this.#expire(queue);
    return this.#sql.visible.all(queue.id, this.#options.now(), batchSize).map((row) => Row.parse(row));
  }

  /** False where the lease is not the message's latest. */
  ack(queue: Queue, leaseId: string): boolean {
    return this.#sql.ack.run(queue.id, leaseId).changes > 0;
  }

  /** False where the lease is not the message's latest. */
  retry(queue: Queue, leaseId: string, delaySeconds: number): boolean {
    const message = this.#leased(queue, leaseId);
    if (message === undefined) return false;
    if (message.attempts > queue.maxRetries) this.#exhaust(queue, message);
    else this.#sql.unlease.run(this.#options.now() + delaySeconds * 1000, message.seq);
    return true;
  }

  /** The new lease id; undefined where the lease is not the message's latest. */
  extend(queue: Queue, leaseId: string, visibilityMs: number): string | undefined {
    const message = this.#leased(queue, leaseId);
    if (message === undefined) return undefined;
    const newLeaseId = this.#options.newId();
    this.#sql.extend.run(newLeaseId, this.#options.now() + visibilityMs, message.seq);
    return newLeaseId;
  }

  /** False where there is no such message. */
  purge(queue: Queue, id: string): boolean {
    return this.#sql.purge.run(queue.id, id).changes > 0;
  }

  count(queueId: string): { readonly messages: number; readonly bytes: number } {
    return z.object({ messages: z.number(), bytes: z.number() }).parse(this.#sql.count.get(queueId));
  }

  #expire(queue: Queue): void {
    this.#sql.expire.run(queue.id, this.#options.now() - queue.retentionSeconds * 1000);
  }

  #leased(queue: Queue, leaseId: string): Message | undefined {
    const row = this.#sql.leased.get(queue.id, leaseId);
    return row === undefined ? undefined : Row.parse(row);
  }

  #exhaust(queue: Queue, message: Message): void {
    this.#sql.delete.run(message.seq);
    const target = queue.deadLetterQueue === undefined ? undefined : this.#options.queues.byName(queue.deadLetterQueue);
    if (target !== undefined) this.send(target.id, message.body, message.contentType, 0);
  }
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      'INSERT INTO messages (queue_id, id, body, content_type, sent_at_ms, visible_at_ms) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    visible: database.prepare(
      'SELECT * FROM messages WHERE queue_id = ? AND visible_at_ms <= ? ORDER BY visible_at_ms, seq LIMIT ?',
    ),
    available: database.prepare(
      'SELECT * FROM messages WHERE queue_id = ? AND visible_at_ms <= ? AND attempts <= ? ORDER BY visible_at_ms, seq LIMIT ?',
    ),
    exhausted: database.prepare('SELECT * FROM messages WHERE queue_id = ? AND visible_at_ms <= ? AND attempts > ? LIMIT ?'),
    lease: database.prepare('UPDATE messages SET lease_id = ?, visible_at_ms = ?, attempts = attempts + 1 WHERE seq = ?'),
    extend: database.prepare('UPDATE messages SET lease_id = ?, visible_at_ms = ? WHERE seq = ?'),
    unlease: database.prepare('UPDATE messages SET lease_id = NULL, visible_at_ms = ? WHERE seq = ?'),
    leased: database.prepare('SELECT * FROM messages WHERE queue_id = ? AND lease_id = ?'),
    ack: database.prepare('DELETE FROM messages WHERE queue_id = ? AND lease_id = ?'),
    purge: database.prepare('DELETE FROM messages WHERE queue_id = ? AND id = ?'),
    delete: database.prepare('DELETE FROM messages WHERE seq = ?'),
    expire: database.prepare('DELETE FROM messages WHERE queue_id = ? AND sent_at_ms <= ?'),
    count: database.prepare(
      'SELECT count(*) AS messages, coalesce(sum(octet_length(body)), 0) AS bytes FROM messages WHERE queue_id = ?',
    ),
  };
}
