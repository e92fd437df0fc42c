/** The one SQLite file of a local queue: whoever was told that a message is in it finds it there after a power cut. */
import { DatabaseSync } from 'node:sqlite';
import { MillraceError } from '../errors.ts';

export interface QueueFileOptions {
  readonly file: string;
  /** As errors name it: `The local queue`. */
  readonly name: string;
  /** Creates the tables. */
  readonly schema: string;
  /** Raised when the tables change in a way that this program cannot read. */
  readonly schemaVersion: number;
}

/** Throws CONFIG_INVALID where another process holds the file, or it is not one of this program's. */
export function openQueueFile({ file, name, schema, schemaVersion }: QueueFileOptions): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    // Exclusive: two servers on one file would not wake each other's pollers. The lock goes with its process, so a killed server's
    // file can be opened at once.
    database.exec(
      'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;',
    );
    const version = database.prepare('PRAGMA user_version').get()?.user_version;
    if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT;`);
    else if (version !== schemaVersion) throw new Error(`its schema has version ${version}, this program reads ${schemaVersion}`);
    return database;
  } catch (thrown) {
    database.close();
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new MillraceError('CONFIG_INVALID', `${name} cannot use ${file}: ${why}.`, {
      cause: thrown,
      context: { file },
      fix: 'Stop the other process that uses this folder, or choose another one.',
    });
  }
}
