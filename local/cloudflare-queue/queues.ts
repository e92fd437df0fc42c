/** The queues of one server. Names and policies are given at each start; what the file keeps is their ids and whether they are paused. */
import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { DEFAULT_MAX_RETRIES, DEFAULT_RETENTION_SECONDS, MAX_RETRIES } from './limits.ts';

export interface QueueDefinition {
  readonly name: string;
  /** A message is pulled once more than this; 3 unless told. */
  readonly maxRetries?: number;
  /** The name of another queue of the same server. Without one, messages that were retried too often are deleted. */
  readonly deadLetterQueue?: string;
  /** How long a message that nobody takes is kept; 4 days unless told. */
  readonly retentionSeconds?: number;
  /** False for a queue without a pull consumer, which can be sent to and looked at alone. */
  readonly httpPull?: boolean;
}

export interface Queue {
  /** 32 hexadecimal digits, the same for one name always: the URL outlives the data. */
  readonly id: string;
  readonly name: string;
  readonly maxRetries: number;
  readonly deadLetterQueue: string | undefined;
  readonly retentionSeconds: number;
  readonly httpPull: boolean;
  readonly createdAtMs: number;
}

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const Row = z.object({ created_at_ms: z.number(), paused: z.number() });

export class Queues {
  readonly #database: DatabaseSync;
  readonly #byId = new Map<string, Queue>();
  readonly #byName = new Map<string, Queue>();

  /** Throws CONFIG_INVALID. */
  constructor(database: DatabaseSync, definitions: readonly QueueDefinition[], nowMs: number) {
    this.#database = database;
    const insert = database.prepare('INSERT OR IGNORE INTO queues (id, name, created_at_ms) VALUES (?, ?, ?)');
    for (const definition of definitions) {
      const { name, maxRetries = DEFAULT_MAX_RETRIES, deadLetterQueue, httpPull = true } = definition;
      const { retentionSeconds = DEFAULT_RETENTION_SECONDS } = definition;
      checkDefinition(definition, definitions);
      const id = idOf(name);
      insert.run(id, name, nowMs);
      const createdAtMs = this.#row(id).created_at_ms;
      const queue = { id, name, maxRetries, deadLetterQueue, retentionSeconds, httpPull, createdAtMs };
      this.#byId.set(id, queue);
      this.#byName.set(name, queue);
    }
  }

  all(): Queue[] {
    return [...this.#byId.values()];
  }

  byId(id: string): Queue | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Queue | undefined {
    return this.#byName.get(name);
  }

  isPaused(id: string): boolean {
    return this.#row(id).paused === 1;
  }

  setPaused(id: string, paused: boolean): void {
    this.#database.prepare('UPDATE queues SET paused = ? WHERE id = ?').run(paused ? 1 : 0, id);
  }

  #row(id: string): z.infer<typeof Row> {
    return Row.parse(this.#database.prepare('SELECT created_at_ms, paused FROM queues WHERE id = ?').get(id));
  }
}

function idOf(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 32);
}

function checkDefinition({ name, maxRetries, deadLetterQueue }: QueueDefinition, all: readonly QueueDefinition[]): void {
  const refuse = (why: string) => {
    throw new MillraceError('CONFIG_INVALID', `The local Cloudflare queue "${name}" cannot be made: ${why}.`, {
      context: { name },
    });
  };
  if (!NAME.test(name)) refuse('a name has 1 to 63 of a-z, 0-9 and -, and no - at its ends');
  if (all.filter((other) => other.name === name).length > 1) refuse('another one has the same name');
  if (maxRetries !== undefined && !(Number.isInteger(maxRetries) && maxRetries >= 0 && maxRetries <= MAX_RETRIES)) {
    refuse(`maxRetries is ${maxRetries}, and not a whole number from 0 to ${MAX_RETRIES}`);
  }
  if (deadLetterQueue === name) refuse('it is its own dead-letter queue');
  if (deadLetterQueue !== undefined && !all.some((other) => other.name === deadLetterQueue)) {
    refuse(`its dead-letter queue "${deadLetterQueue}" is not among the queues`);
  }
}
