/**
 * The one SQLite file, and the one way to change it.
 *
 * Every change waits for its commit, and a commit for the disk (`synchronous=FULL`), so that what was acknowledged outlives
 * the machine's power and not only this process. One such wait per message would be slow; so the changes that have come in by
 * the end of one turn of the event loop share a commit. Each has its own savepoint: one that fails takes nothing back but
 * itself.
 */
import type { DatabaseSync } from 'node:sqlite';
import { openQueueFile } from '../queue-file.ts';
import { SqsFault } from './faults.ts';
import { MAX_CHANGES_PER_COMMIT } from './limits.ts';

/** Raised when the tables below change in a way that this program cannot read. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
CREATE TABLE queues (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  attributes TEXT NOT NULL,
  tags TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  modified_at_ms INTEGER NOT NULL,
  purged_at_ms INTEGER
) STRICT;

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id INTEGER NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
  id TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL,
  attributes TEXT NOT NULL,
  trace_header TEXT,
  sent_at_ms INTEGER NOT NULL,
  visible_at_ms INTEGER NOT NULL,
  in_flight INTEGER NOT NULL DEFAULT 0,
  received_at_ms INTEGER,
  first_received_at_ms INTEGER,
  receive_count INTEGER NOT NULL DEFAULT 0,
  queue_receive_count INTEGER NOT NULL DEFAULT 0,
  source_arn TEXT
) STRICT;
CREATE INDEX messages_by_visibility ON messages (queue_id, visible_at_ms, seq);
CREATE INDEX messages_by_arrival ON messages (queue_id);
CREATE INDEX messages_by_age ON messages (queue_id, sent_at_ms);
CREATE INDEX messages_in_flight ON messages (queue_id, visible_at_ms) WHERE in_flight = 1;

CREATE TABLE move_tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  source_arn TEXT NOT NULL,
  destination_arn TEXT,
  max_per_second INTEGER,
  status TEXT NOT NULL,
  failure_reason TEXT,
  last_seq INTEGER NOT NULL,
  to_move INTEGER NOT NULL,
  moved INTEGER NOT NULL DEFAULT 0,
  started_at_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX move_tasks_one_running ON move_tasks (source_arn) WHERE status = 'RUNNING';
`;

interface Change {
  /** Makes the change; what it answers tells the caller, and is called after the commit. */
  readonly make: () => () => void;
  readonly reject: (thrown: unknown) => void;
}

export class Store {
  readonly database: DatabaseSync;
  readonly #changes: Change[] = [];
  #scheduled = false;

  /** Throws CONFIG_INVALID where another process holds the file, or it is not one of this program's. */
  constructor(file: string) {
    this.database = openQueueFile({ file: file, name: 'The local queue', schema: SCHEMA, schemaVersion: SCHEMA_VERSION });
  }

  /** Runs `change` inside a transaction, and resolves with what it answered once that is on the disk. */
  write<T>(change: () => T): Promise<T> {
    if (!this.database.isOpen) return Promise.reject(new SqsFault('ServiceUnavailable', 'The local queue has been closed.'));
    return new Promise((resolve, reject) => {
      const make = () => {
        const value = change();
        return () => resolve(value);
      };
      this.#changes.push({ make, reject });
      this.#schedule();
    });
  }

  /** Whatever was handed to `write` before is committed first. */
  close(): void {
    while (this.#changes.length > 0) this.#commit();
    this.database.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the poll phase: connections that were closed meanwhile are known by then, and get no message.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.database.isOpen) return;
      this.#commit();
      if (this.#changes.length > 0) this.#schedule();
    });
  }

  #commit(): void {
    const batch = this.#changes.splice(0, MAX_CHANGES_PER_COMMIT);
    if (batch.length === 0) return;
    const settle: (() => void)[] = [];
    try {
      this.database.exec('BEGIN IMMEDIATE');
      for (const change of batch) settle.push(this.#attempt(change));
      this.database.exec('COMMIT');
    } catch (thrown) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      for (const change of batch) change.reject(thrown);
      return;
    }
    for (const tell of settle) tell();
  }

  #attempt(change: Change): () => void {
    this.database.exec('SAVEPOINT change');
    try {
      const tell = change.make();
      this.database.exec('RELEASE change');
      return tell;
    } catch (thrown) {
      // A full disk ends the whole transaction by itself; this then throws too, and the batch is refused.
      this.database.exec('ROLLBACK TO change; RELEASE change');
      return () => change.reject(thrown);
    }
  }
}
