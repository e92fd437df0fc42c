/**
 * The bucket's own state, in one SQLite file. It alone decides what exists: an object's file is only where its bytes lie.
 *
 * WAL with `synchronous = NORMAL`: a commit survives the death of the process at any instant; a power cut may take the last few.
 */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { MillraceError } from '../../errors.ts';

export type Row = Record<string, SQLOutputValue>;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    notifications TEXT NOT NULL
  ) WITHOUT ROWID;

  -- TEXT compares as memcmp over UTF-8, which is S3's order of keys.
  CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    path TEXT NOT NULL,
    folded_path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    metadata TEXT NOT NULL,
    checksum TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, key)
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS objects_by_path ON objects (folded_path);

  CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    initiated_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    metadata TEXT NOT NULL,
    checksum_algorithm TEXT NOT NULL,
    checksum_type TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key, id);

  CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    path TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
  ) WITHOUT ROWID;

  -- What must still happen to files because of what was committed. Empty but for the instant between a commit and its rename.
  CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    target TEXT NOT NULL
  );

  CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue_arn TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_ms INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS outbox_by_due ON outbox (due_ms, id);

  CREATE TABLE IF NOT EXISTS sequence (last INTEGER NOT NULL);
  INSERT INTO sequence SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sequence);

  CREATE TABLE IF NOT EXISTS generations (last INTEGER NOT NULL);
  INSERT INTO generations SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM generations);
`;

/** For folders that were made before objects had generations. */
const ADD_GENERATIONS = `
  ALTER TABLE objects ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
  UPDATE objects SET generation = modified_ms * 1000;
`;

export class BucketDatabase {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Throws CONFIG_INVALID where another process has the file open: two buckets over one folder would destroy each other's files. */
  constructor(file: string) {
    this.#connection = new DatabaseSync(file);
    try {
      this.#connection.exec('PRAGMA locking_mode = EXCLUSIVE');
      this.#connection.exec('PRAGMA journal_mode = WAL');
      this.#connection.exec('PRAGMA synchronous = NORMAL');
      this.#connection.exec(SCHEMA);
      const columns = this.#connection.prepare("SELECT name FROM pragma_table_info('objects')").all();
      if (!columns.some(({ name }) => name === 'generation')) this.#connection.exec(ADD_GENERATIONS);
      this.#connection.exec('BEGIN EXCLUSIVE; COMMIT');
    } catch (error) {
      this.#connection.close();
      throw new MillraceError('CONFIG_INVALID', "The local bucket's folder cannot be opened.", {
        cause: error,
        context: { file },
        fix: 'Stop the other Millrace that uses this folder, or give this one a folder of its own.',
      });
    }
  }

  /** `sql` must be a constant text: statements are prepared once and kept. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  row(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  rows(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  /** Everything that `work` writes, or, where it throws, nothing. `work` is synchronous: no other request runs in between. */
  transaction<T>(work: () => T): T {
    this.#connection.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#connection.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  /** Larger than every number that it ever gave, across restarts. Call it inside a transaction. */
  nextSequence(): number {
    const row = this.row('UPDATE sequence SET last = last + 1 RETURNING last');
    if (row === undefined) throw new MillraceError('INTERNAL', "The local bucket's sequence is gone.");
    return integerOf(row, 'last');
  }

  /** Microseconds of the time, or one more than the last where that is no more. Call it inside a transaction. */
  nextGeneration(nowMs: number): number {
    const row = this.row('UPDATE generations SET last = max(last + 1, ? * 1000) RETURNING last', nowMs);
    if (row === undefined) throw new MillraceError('INTERNAL', "The local bucket's generations are gone.");
    return integerOf(row, 'last');
  }

  close(): void {
    this.#statements.clear();
    this.#connection.close();
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#connection.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new MillraceError('INTERNAL', `The local bucket's column ${column} holds no text.`);
  return value;
}

export function integerOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new MillraceError('INTERNAL', `The local bucket's column ${column} holds no number.`);
  return value;
}
