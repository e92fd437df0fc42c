/**
 * Messages on their way to a queue. A message is written in the transaction of the write that it tells of and deleted only after its
 * delivery, so it is delivered at least once, whenever the process dies.
 */
import { asMillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type BucketDatabase, integerOf, textOf } from './database.ts';

/** Resolves once the queue has the message. */
export type Deliver = (queueArn: string, body: string) => Promise<void>;

export interface OutboxOptions {
  readonly database: BucketDatabase;
  readonly deliver: Deliver | undefined;
  readonly log: Logger;
  readonly now: () => number;
}

const BATCH = 32;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 30_000;
const DELIVERY_TIMEOUT_MS = 30_000;

export class Outbox {
  readonly #database: BucketDatabase;
  readonly #deliver: Deliver | undefined;
  readonly #log: Logger;
  readonly #now: () => number;
  #pump: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor({ database, deliver, log, now }: OutboxOptions) {
    this.#database = database;
    this.#deliver = deliver;
    this.#log = log;
    this.#now = now;
  }

  /** Call it inside the transaction of what the message tells of, and `wake` after it. */
  enqueue(queueArn: string, body: string): void {
    this.#database.run('INSERT INTO outbox (queue_arn, body, attempts, due_ms) VALUES (?, ?, 0, ?)', queueArn, body, this.#now());
  }

  /** Starts delivering what is due, unless that is under way. */
  wake(): void {
    if (this.#closed || this.#pump !== undefined || this.#deliver === undefined) return;
    clearTimeout(this.#timer);
    this.#pump = this.#run(this.#deliver)
      .catch((error: unknown) => this.#log.error({ error }, 'the outbox stopped; the next write starts it again'))
      .finally(() => {
        this.#pump = undefined;
        this.#rest();
      });
  }

  /** Resolves when no message is waiting; at once without a queue to deliver to. While a queue refuses messages, that is not yet. */
  async idle(): Promise<void> {
    if (this.#closed || this.#deliver === undefined || this.#isEmpty()) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.wake();
    });
  }

  /** Delivery one message at a time, for the test event: throws what the queue answers. */
  async deliverNow(queueArn: string, body: string): Promise<void> {
    if (this.#deliver === undefined) throw new Error('this bucket was started without a queue');
    await withTimeout(this.#deliver(queueArn, body));
  }

  /** Waits for deliveries under way, for as long as one may take. Callers of `idle` are let go: what is left is on disk. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#pump;
    this.#releaseWaiting();
  }

  async #run(deliver: Deliver): Promise<void> {
    while (!this.#closed) {
      const due = this.#database.rows(
        'SELECT id, queue_arn, body, attempts FROM outbox WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?',
        this.#now(),
        BATCH,
      );
      if (due.length === 0) return;
      await Promise.all(
        due.map((row) =>
          this.#deliverOne(
            deliver,
            integerOf(row, 'id'),
            textOf(row, 'queue_arn'),
            textOf(row, 'body'),
            integerOf(row, 'attempts'),
          ),
        ),
      );
    }
  }

  async #deliverOne(deliver: Deliver, id: number, queueArn: string, body: string, attempts: number): Promise<void> {
    try {
      await withTimeout(deliver(queueArn, body));
    } catch (thrown) {
      // Never given up: the message lies on disk, and a queue that comes back must find it.
      const retryMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 20));
      this.#database.run('UPDATE outbox SET attempts = attempts + 1, due_ms = ? WHERE id = ?', this.#now() + retryMs, id);
      const error = asMillraceError(thrown);
      this.#log.warn({ queueArn, attempts: attempts + 1, retryMs, error }, 'a bucket notification was not delivered');
      return;
    }
    this.#database.run('DELETE FROM outbox WHERE id = ?', id);
  }

  #isEmpty(): boolean {
    return this.#database.row('SELECT 1 FROM outbox LIMIT 1') === undefined;
  }

  /** Between two runs: everything waits for its time. */
  #rest(): void {
    if (this.#closed) return;
    const next = this.#database.row('SELECT due_ms FROM outbox ORDER BY due_ms, id LIMIT 1');
    if (next === undefined) {
      this.#releaseWaiting();
      return;
    }
    // Capped, because the clock can be set back.
    const waitMs = Math.min(LONGEST_RETRY_MS, Math.max(1, integerOf(next, 'due_ms') - this.#now()));
    this.#timer = setTimeout(() => this.wake(), waitMs);
    this.#timer.unref();
  }

  #releaseWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

async function withTimeout(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the queue did not answer within ${DELIVERY_TIMEOUT_MS} ms`)), DELIVERY_TIMEOUT_MS);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
