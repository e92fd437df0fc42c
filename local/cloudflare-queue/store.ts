/** The one SQLite file. Each request is one transaction, on the disk before it is answered: what was accepted outlives the process. */
import type { DatabaseSync } from 'node:sqlite';
import { openQueueFile } from '../queue-file.ts';

/** Raised when the tables below change in a way that this program cannot read. */
const SCHEMA_VERSION = 1;

const SCHEMA = `
CREATE TABLE queues (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  paused INTEGER NOT NULL DEFAULT 0,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  queue_id TEXT NOT NULL REFERENCES queues (id),
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  content_type TEXT NOT NULL,
  sent_at_ms INTEGER NOT NULL,
  visible_at_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  lease_id TEXT UNIQUE
) STRICT;
CREATE INDEX messages_by_visibility ON messages (queue_id, visible_at_ms, seq);
CREATE INDEX messages_by_age ON messages (queue_id, sent_at_ms);
`;

/** Throws CONFIG_INVALID where another process holds the file, or it is not one of this program's. */
export function openStore(file: string): DatabaseSync {
  return openQueueFile({ file, name: 'The local Cloudflare queue', schema: SCHEMA, schemaVersion: SCHEMA_VERSION });
}

/** All of `change` or nothing of it; the answer comes after the commit. */
export function inTransaction<T>(database: DatabaseSync, change: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const value = change();
    database.exec('COMMIT');
    return value;
  } catch (thrown) {
    // A full disk ends the transaction by itself.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw thrown;
  }
}
