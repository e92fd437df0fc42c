/**
 * The files under the data folder, and how they follow what the database says.
 *
 * A body is first written to `incoming/`. Then one transaction writes the row and, into the journal, the rename that belongs to it;
 * then the rename is done and the journal's line deleted, all in one tick, so that nobody sees the state in between. A process that
 * dies before the commit leaves a file in `incoming/` that the next start deletes; one that dies after it leaves a journal that the
 * next start carries out.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type BucketDatabase, integerOf, type Row, textOf } from './database.ts';
import { escapedPath, foldPath, plainPath, STATE_FOLDER } from './key-path.ts';

const INCOMING = `${STATE_FOLDER}/incoming`;
const PARTS = `${STATE_FOLDER}/parts`;
/** macOS allows 1024 bytes. */
const MAX_ABSOLUTE_PATH_BYTES = 1000;

export interface JournalEntry {
  readonly id: number;
  /** Empty where `target` is to be removed. */
  readonly source: string;
  readonly target: string;
}

export class ObjectFiles {
  readonly #dataDir: string;
  readonly #database: BucketDatabase;

  constructor(dataDir: string, database: BucketDatabase) {
    this.#dataDir = dataDir;
    this.#database = database;
  }

  /** Paths in this program are relative to the data folder, with `/`. */
  absolute(path: string): string {
    return join(this.#dataDir, path);
  }

  newIncoming(): string {
    return `${INCOMING}/${randomUUID()}`;
  }

  newPart(): string {
    return `${PARTS}/${randomUUID()}`;
  }

  /** Carries out what a dead process had committed, and deletes what it had not. */
  recover(): void {
    for (const row of this.#database.rows('SELECT id, source, target FROM journal ORDER BY id')) this.settle([entryOf(row)]);
    rmSync(this.absolute(INCOMING), { recursive: true, force: true });
    mkdirSync(this.absolute(INCOMING), { recursive: true });
    mkdirSync(this.absolute(PARTS), { recursive: true });
    const known = new Set(this.#database.rows('SELECT path FROM parts').map((row) => textOf(row, 'path')));
    for (const name of readdirSync(this.absolute(PARTS))) {
      if (!known.has(`${PARTS}/${name}`)) this.discard(`${PARTS}/${name}`);
    }
  }

  /** Where a new body of this key shall lie; its folder is there afterwards. Call it inside the transaction of the write. */
  place(bucket: string, key: string): string {
    const plain = plainPath(bucket, key);
    const path = plain !== undefined && this.#canTake(plain, bucket, key) ? plain : escapedPath(bucket, key);
    mkdirSync(dirname(this.absolute(path)), { recursive: true });
    return path;
  }

  #canTake(path: string, bucket: string, key: string): boolean {
    if (Buffer.byteLength(this.absolute(path)) > MAX_ABSOLUTE_PATH_BYTES) return false;
    const taken = this.#database.row('SELECT bucket, key FROM objects WHERE folded_path = ?', foldPath(path));
    if (taken !== undefined && (textOf(taken, 'bucket') !== bucket || textOf(taken, 'key') !== key)) return false;
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = lstatSync(this.absolute(parts.slice(0, depth).join('/')), { throwIfNoEntry: false });
      if (folder === undefined) return true;
      // A file (the key `a` beside `a/b`), or a link that could lead out of the data folder.
      if (!folder.isDirectory()) return false;
    }
    return lstatSync(this.absolute(path), { throwIfNoEntry: false })?.isDirectory() !== true;
  }

  /** Call it inside the transaction that makes the rename (or, without a source, the removal) necessary. */
  note(source: string, target: string): JournalEntry {
    // Left over from a rename or removal that failed: carried out later, it would undo this one.
    this.#database.run('DELETE FROM journal WHERE target = ?', target);
    const row = this.#database.row('INSERT INTO journal (source, target) VALUES (?, ?) RETURNING id', source, target);
    return { id: row === undefined ? 0 : integerOf(row, 'id'), source, target };
  }

  /** Call it right after that transaction, in the same tick. */
  settle(entries: readonly JournalEntry[]): void {
    for (const { id, source, target } of entries) {
      if (source === '') {
        this.#remove(target);
      } else if (existsSync(this.absolute(source))) {
        mkdirSync(dirname(this.absolute(target)), { recursive: true });
        renameSync(this.absolute(source), this.absolute(target));
      }
      this.#database.run('DELETE FROM journal WHERE id = ?', id);
    }
  }

  #remove(path: string): void {
    const absolute = this.absolute(path);
    // Whatever somebody has put there by hand instead of our file is theirs.
    if (lstatSync(absolute, { throwIfNoEntry: false })?.isFile() === true) unlinkSync(absolute);
    const parts = path.split('/');
    for (let depth = parts.length - 1; depth > 1; depth -= 1) {
      try {
        rmdirSync(this.absolute(parts.slice(0, depth).join('/')));
      } catch {
        return; // Not empty: S3 knows no folders, so only empty ones go.
      }
    }
  }

  /** A descriptor that goes on reading this very version, whatever is written or deleted later; `undefined` where the file is gone. */
  open(path: string, sizeBytes: number): number | undefined {
    let descriptor: number;
    try {
      descriptor = openSync(this.absolute(path), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch {
      return undefined;
    }
    const stats = fstatSync(descriptor);
    if (stats.isFile() && stats.size === sizeBytes) return descriptor;
    closeSync(descriptor);
    return undefined;
  }

  /** True where the file is there, as long as it should be. */
  isWhole(path: string, sizeBytes: number): boolean {
    const stats = lstatSync(this.absolute(path), { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size === sizeBytes;
  }

  discard(path: string): void {
    rmSync(this.absolute(path), { force: true });
  }

  makeBucketFolder(bucket: string): void {
    mkdirSync(this.absolute(bucket), { recursive: true });
  }

  /** Leaves the folder where somebody has put files of their own into it. */
  removeBucketFolder(bucket: string): void {
    for (const folder of [bucket, `${STATE_FOLDER}/objects/${bucket}`]) {
      try {
        rmdirSync(this.absolute(folder));
      } catch {
        // Not empty, or not there.
      }
    }
  }
}

function entryOf(row: Row): JournalEntry {
  return { id: integerOf(row, 'id'), source: textOf(row, 'source'), target: textOf(row, 'target') };
}
