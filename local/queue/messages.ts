/**
 * The table of messages. A message is visible from `visible_at_ms` on; before that it is in flight (`in_flight`) or delayed.
 * One older than its queue's retention is not there any more, whether or not the sweep has deleted it yet; `liveSinceMs` says
 * from when on messages count.
 */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MessageAttributes } from './message-attributes.ts';

const MessageRow = z
  .object({
    seq: z.number(),
    queue_id: z.number(),
    id: z.string(),
    body: z.string(),
    attributes: z
      .string()
      .transform((text): unknown => JSON.parse(text))
      .pipe(MessageAttributes),
    trace_header: z.string().nullable(),
    sent_at_ms: z.number(),
    visible_at_ms: z.number(),
    in_flight: z.number(),
    received_at_ms: z.number().nullable(),
    first_received_at_ms: z.number().nullable(),
    receive_count: z.number(),
    queue_receive_count: z.number(),
    source_arn: z.string().nullable(),
  })
  .transform((row) => ({
    seq: row.seq,
    queueId: row.queue_id,
    id: row.id,
    body: row.body,
    attributes: row.attributes,
    traceHeader: row.trace_header,
    sentAtMs: row.sent_at_ms,
    visibleAtMs: row.visible_at_ms,
    inFlight: row.in_flight === 1,
    /** The latest receive, from which a total visibility timeout counts. */
    receivedAtMs: row.received_at_ms,
    firstReceivedAtMs: row.first_received_at_ms,
    /** Across all queues: what clients are shown. */
    receiveCount: row.receive_count,
    /** From the queue that it lies in: what that queue's redrive policy counts. */
    queueReceiveCount: row.queue_receive_count,
    /** The queue that gave up on it. */
    sourceArn: row.source_arn,
  }));
export type Message = z.infer<typeof MessageRow>;

export interface NewMessage {
  readonly queueId: number;
  readonly id: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly traceHeader: string | null;
  readonly sentAtMs: number;
  readonly visibleAtMs: number;
}

export interface Counts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

const CountsRow = z.object({ visible: z.number(), in_flight: z.number(), delayed: z.number() });
const NumberRow = z.object({ value: z.number().nullable() });

export class Messages {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  insert(message: NewMessage): void {
    const { queueId, id, body, attributes, traceHeader, sentAtMs, visibleAtMs } = message;
    this.#statements.insert.run(queueId, id, body, JSON.stringify(attributes), traceHeader, sentAtMs, visibleAtMs);
  }

  find(queueId: number, id: string): Message | undefined {
    const row = this.#statements.find.get(queueId, id);
    return row === undefined ? undefined : MessageRow.parse(row);
  }

  /** In the order in which they became visible. */
  visible(queueId: number, nowMs: number, liveSinceMs: number, limit: number): Message[] {
    return this.#statements.visible.all(queueId, nowMs, liveSinceMs, limit).map((row) => MessageRow.parse(row));
  }

  /** Those that arrived in this queue up to `lastSeq`, in that order. */
  visibleUpTo(queueId: number, lastSeq: number, nowMs: number, liveSinceMs: number, limit: number): Message[] {
    return this.#statements.visibleUpTo.all(queueId, lastSeq, nowMs, liveSinceMs, limit).map((row) => MessageRow.parse(row));
  }

  /** The message as it is after the receive. */
  markReceived(message: Message, nowMs: number, visibleAtMs: number): Message {
    this.#statements.markReceived.run(visibleAtMs, nowMs, nowMs, message.seq);
    return {
      ...message,
      visibleAtMs,
      inFlight: true,
      receivedAtMs: nowMs,
      firstReceivedAtMs: message.firstReceivedAtMs ?? nowMs,
      receiveCount: message.receiveCount + 1,
      queueReceiveCount: message.queueReceiveCount + 1,
    };
  }

  /** Takes one receive back as if it had not been, unless the message was received again since. `before` is as it was. */
  unmarkReceived(before: Message): void {
    const { visibleAtMs, inFlight, receivedAtMs, firstReceivedAtMs, receiveCount, queueReceiveCount, seq } = before;
    this.#statements.unmarkReceived.run(
      visibleAtMs,
      inFlight ? 1 : 0,
      receivedAtMs,
      firstReceivedAtMs,
      receiveCount,
      queueReceiveCount,
      seq,
      receiveCount + 1,
    );
  }

  setVisibleAt(seq: number, visibleAtMs: number): void {
    this.#statements.setVisibleAt.run(visibleAtMs, seq);
  }

  /** Same id, same times, same count of all receives; a new arrival in that queue. */
  moveToDeadLetters(message: Message, queueId: number, sourceArn: string, nowMs: number): void {
    this.delete(message.queueId, message.id);
    this.#statements.insertDeadLetter.run(
      queueId,
      message.id,
      message.body,
      JSON.stringify(message.attributes),
      message.traceHeader,
      message.sentAtMs,
      nowMs,
      message.receivedAtMs,
      message.firstReceivedAtMs,
      message.receiveCount,
      sourceArn,
    );
  }

  delete(queueId: number, id: string): void {
    this.#statements.delete.run(queueId, id);
  }

  deleteAll(queueId: number): void {
    this.#statements.deleteAll.run(queueId);
  }

  /** At most `limit`; answers how many. */
  deleteSentBefore(queueId: number, ms: number, limit: number): number {
    return Number(this.#statements.deleteSentBefore.run(queueId, ms, limit).changes);
  }

  counts(queueId: number, nowMs: number, liveSinceMs: number): Counts {
    const row = CountsRow.parse(this.#statements.counts.get({ queueId, nowMs, liveSinceMs }));
    return { visible: row.visible, inFlight: row.in_flight, delayed: row.delayed };
  }

  /** How many are in flight, counted no further than `limit`. */
  inFlightUpTo(queueId: number, nowMs: number, limit: number): number {
    return NumberRow.parse(this.#statements.inFlightUpTo.get(queueId, nowMs, limit)).value ?? 0;
  }

  /** When the next message that is not visible now will be. */
  nextVisibleAtMs(queueId: number, nowMs: number): number | undefined {
    return NumberRow.parse(this.#statements.nextVisibleAt.get(queueId, nowMs)).value ?? undefined;
  }

  /** The latest arrival of all queues. */
  lastSeq(): number {
    return NumberRow.parse(this.#statements.lastSeq.get()).value ?? 0;
  }
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      `INSERT INTO messages (queue_id, id, body, attributes, trace_header, sent_at_ms, visible_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertDeadLetter: database.prepare(
      `INSERT INTO messages (queue_id, id, body, attributes, trace_header, sent_at_ms, visible_at_ms, received_at_ms,
         first_received_at_ms, receive_count, source_arn)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    find: database.prepare('SELECT * FROM messages WHERE queue_id = ? AND id = ?'),
    visible: database.prepare(
      `SELECT * FROM messages WHERE queue_id = ? AND visible_at_ms <= ? AND sent_at_ms > ?
       ORDER BY visible_at_ms, seq LIMIT ?`,
    ),
    // INDEXED BY: the order of arrival lets it stop after `limit` rows, however many are visible.
    visibleUpTo: database.prepare(
      `SELECT * FROM messages INDEXED BY messages_by_arrival
       WHERE queue_id = ? AND seq <= ? AND visible_at_ms <= ? AND sent_at_ms > ? ORDER BY seq LIMIT ?`,
    ),
    markReceived: database.prepare(
      `UPDATE messages SET visible_at_ms = ?, in_flight = 1, received_at_ms = ?,
         first_received_at_ms = coalesce(first_received_at_ms, ?),
         receive_count = receive_count + 1, queue_receive_count = queue_receive_count + 1
       WHERE seq = ?`,
    ),
    unmarkReceived: database.prepare(
      `UPDATE messages SET visible_at_ms = ?, in_flight = ?, received_at_ms = ?, first_received_at_ms = ?, receive_count = ?,
         queue_receive_count = ?
       WHERE seq = ? AND receive_count = ?`,
    ),
    setVisibleAt: database.prepare('UPDATE messages SET visible_at_ms = ? WHERE seq = ?'),
    delete: database.prepare('DELETE FROM messages WHERE queue_id = ? AND id = ?'),
    deleteAll: database.prepare('DELETE FROM messages WHERE queue_id = ?'),
    deleteSentBefore: database.prepare(
      'DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE queue_id = ? AND sent_at_ms <= ? LIMIT ?)',
    ),
    counts: database.prepare(
      `SELECT count(*) FILTER (WHERE visible_at_ms <= $nowMs) AS visible,
         count(*) FILTER (WHERE visible_at_ms > $nowMs AND in_flight = 1) AS in_flight,
         count(*) FILTER (WHERE visible_at_ms > $nowMs AND in_flight = 0) AS delayed
       FROM messages WHERE queue_id = $queueId AND sent_at_ms > $liveSinceMs`,
    ),
    inFlightUpTo: database.prepare(
      `SELECT count(*) AS value FROM
         (SELECT 1 FROM messages WHERE queue_id = ? AND in_flight = 1 AND visible_at_ms > ? LIMIT ?)`,
    ),
    nextVisibleAt: database.prepare('SELECT min(visible_at_ms) AS value FROM messages WHERE queue_id = ? AND visible_at_ms > ?'),
    lastSeq: database.prepare('SELECT max(seq) AS value FROM messages'),
  };
}
