/** The objects and buckets that exist, and the transactions that change them. */
import { z } from 'zod';
import { CHECKSUM_ALGORITHMS, type Checksum } from './checksums.ts';
import { checkWriteConditions, type Headers } from './conditions.ts';
import { type BucketDatabase, integerOf, type Row, textOf } from './database.ts';
import type { JournalEntry, ObjectFiles } from './files.ts';
import { foldPath } from './key-path.ts';
import { eventMessage, interested, type ObjectEvent, type QueueNotification, QueueNotifications } from './notifications.ts';
import type { Outbox } from './outbox.ts';
import { S3Error } from './s3-error.ts';

export interface ObjectContent {
  /** Relative to the data folder. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  /** Content-Type and its kin, names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksum: Checksum | undefined;
}

export interface StoredObject extends ObjectContent {
  readonly key: string;
  readonly modifiedMs: number;
  /** Google's: new with every write, and larger than all before. */
  readonly generation: number;
}

/** Who asked: for the notification. */
export interface Origin {
  readonly requestId: string;
  readonly sourceIpAddress: string;
}

export interface WriteRequest {
  readonly bucket: string;
  readonly key: string;
  /** `path` is where the body lies now, under `incoming/`. */
  readonly content: ObjectContent;
  readonly event: ObjectEvent;
  readonly conditions: Headers;
  readonly origin: Origin;
  /** Runs inside the transaction before anything is written; what it throws undoes everything. Files to remove afterwards. */
  readonly alongside?: () => readonly string[];
}

const Text = z.record(z.string(), z.string());
const StoredChecksum = z
  .object({ algorithm: z.enum(CHECKSUM_ALGORITHMS), value: z.string(), type: z.enum(['FULL_OBJECT', 'COMPOSITE']) })
  .nullable();

/** Names and values, as they lie in a column. */
export const textRecordOf = (row: Row, column: string): Record<string, string> => Text.parse(JSON.parse(textOf(row, column)));
export const checksumOf = (row: Row): Checksum | undefined =>
  StoredChecksum.parse(JSON.parse(textOf(row, 'checksum'))) ?? undefined;
export const checksumColumn = (checksum: Checksum | undefined): string => JSON.stringify(checksum ?? null);

export interface ObjectsOptions {
  readonly database: BucketDatabase;
  readonly files: ObjectFiles;
  readonly outbox: Outbox;
  readonly region: string;
  readonly now: () => number;
}

export class Objects {
  readonly #database: BucketDatabase;
  readonly #files: ObjectFiles;
  readonly #outbox: Outbox;
  readonly #region: string;
  readonly #now: () => number;

  constructor({ database, files, outbox, region, now }: ObjectsOptions) {
    this.#database = database;
    this.#files = files;
    this.#outbox = outbox;
    this.#region = region;
    this.#now = now;
  }

  find(bucket: string, key: string): StoredObject | undefined {
    const row = this.#database.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket, key);
    return row === undefined ? undefined : objectOf(row);
  }

  /** Makes what lies at `content.path` the object, if the conditions hold at that very moment. */
  write({ bucket, key, content, event, conditions, origin, alongside }: WriteRequest): StoredObject {
    const modifiedMs = this.#now();
    const { object, entries } = this.#database.transaction(() => {
      this.assertBucket(bucket);
      const current = this.find(bucket, key);
      checkWriteConditions(conditions, current);
      const leftovers = alongside?.() ?? [];
      const path = this.#files.place(bucket, key);
      const generation = this.#database.nextGeneration(modifiedMs);
      this.#database.run(
        `INSERT OR REPLACE INTO objects
           (bucket, key, path, folded_path, size_bytes, etag, modified_ms, headers, metadata, checksum, generation)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        bucket,
        key,
        path,
        foldPath(path),
        content.sizeBytes,
        content.etag,
        modifiedMs,
        JSON.stringify(content.headers),
        JSON.stringify(content.metadata),
        checksumColumn(content.checksum),
        generation,
      );
      this.#announce({ bucket, key, event, origin, content, timeMs: modifiedMs });
      const entries: JournalEntry[] = [];
      if (current !== undefined && current.path !== path) entries.push(this.#files.note('', current.path));
      entries.push(this.#files.note(content.path, path));
      for (const leftover of leftovers) entries.push(this.#files.note('', leftover));
      return { object: { ...content, key, path, modifiedMs, generation }, entries };
    });
    this.#files.settle(entries);
    this.#outbox.wake();
    return object;
  }

  /** False where there was nothing to delete, which is no error and no event. */
  remove(bucket: string, key: string, conditions: Headers, origin: Origin): boolean {
    const entry = this.#database.transaction(() => {
      this.assertBucket(bucket);
      const current = this.find(bucket, key);
      if (conditions.has('if-match')) checkWriteConditions(conditions, current);
      if (current === undefined) return undefined;
      this.#database.run('DELETE FROM objects WHERE bucket = ? AND key = ?', bucket, key);
      this.#announce({ bucket, key, event: 'ObjectRemoved:Delete', origin, content: undefined, timeMs: this.#now() });
      return this.#files.note('', current.path);
    });
    if (entry === undefined) return false;
    this.#files.settle([entry]);
    this.#outbox.wake();
    return true;
  }

  /** For a file that somebody deleted by hand: the object is gone then, but S3 knows no such event. */
  forget(bucket: string, object: StoredObject): void {
    this.#database.run('DELETE FROM objects WHERE bucket = ? AND key = ? AND path = ?', bucket, object.key, object.path);
  }

  /** Throws NoSuchBucket. */
  assertBucket(bucket: string): void {
    if (this.#database.row('SELECT 1 FROM buckets WHERE name = ?', bucket) === undefined) {
      throw new S3Error('NoSuchBucket', undefined, { BucketName: bucket });
    }
  }

  buckets(): { name: string; createdMs: number }[] {
    return this.#database
      .rows('SELECT name, created_ms FROM buckets ORDER BY name')
      .map((row) => ({ name: textOf(row, 'name'), createdMs: integerOf(row, 'created_ms') }));
  }

  /** False where it was there before. */
  createBucket(bucket: string): boolean {
    this.#files.makeBucketFolder(bucket);
    return this.#database.run("INSERT OR IGNORE INTO buckets VALUES (?, ?, '[]')", bucket, this.#now()) > 0;
  }

  deleteBucket(bucket: string): void {
    this.#database.transaction(() => {
      this.assertBucket(bucket);
      const inUse =
        this.#database.row('SELECT 1 FROM objects WHERE bucket = ? LIMIT 1', bucket) ??
        this.#database.row('SELECT 1 FROM uploads WHERE bucket = ? LIMIT 1', bucket);
      if (inUse !== undefined) throw new S3Error('BucketNotEmpty', undefined, { BucketName: bucket });
      this.#database.run('DELETE FROM buckets WHERE name = ?', bucket);
    });
    this.#files.removeBucketFolder(bucket);
  }

  notifications(bucket: string): QueueNotification[] {
    const row = this.#database.row('SELECT notifications FROM buckets WHERE name = ?', bucket);
    if (row === undefined) throw new S3Error('NoSuchBucket', undefined, { BucketName: bucket });
    return QueueNotifications.parse(JSON.parse(textOf(row, 'notifications')));
  }

  setNotifications(bucket: string, notifications: readonly QueueNotification[]): void {
    this.#database.run('UPDATE buckets SET notifications = ? WHERE name = ?', JSON.stringify(notifications), bucket);
  }

  #announce(happened: {
    bucket: string;
    key: string;
    event: ObjectEvent;
    origin: Origin;
    content: ObjectContent | undefined;
    timeMs: number;
  }): void {
    const { bucket, key, event, origin, content, timeMs } = happened;
    const recipients = interested(this.notifications(bucket), event, key);
    if (recipients.length === 0) return;
    const sequence = this.#database.nextSequence();
    for (const { id, queueArn } of recipients) {
      const facts = { event, bucket, key, sequence, timeMs, region: this.#region, ...origin };
      this.#outbox.enqueue(queueArn, eventMessage(content === undefined ? facts : { ...facts, content }, id));
    }
  }
}

export function objectOf(row: Row): StoredObject {
  return {
    key: textOf(row, 'key'),
    path: textOf(row, 'path'),
    sizeBytes: integerOf(row, 'size_bytes'),
    etag: textOf(row, 'etag'),
    modifiedMs: integerOf(row, 'modified_ms'),
    headers: textRecordOf(row, 'headers'),
    metadata: textRecordOf(row, 'metadata'),
    checksum: checksumOf(row),
    generation: integerOf(row, 'generation'),
  };
}
