/** Multipart uploads under way, and their parts. */
import { randomUUID } from 'node:crypto';
import { type Checksum, type ChecksumAlgorithm, parseAlgorithm } from './checksums.ts';
import { type BucketDatabase, integerOf, type Row, textOf } from './database.ts';
import type { ObjectFiles } from './files.ts';
import { checksumColumn, checksumOf, textRecordOf } from './objects.ts';
import { S3Error } from './s3-error.ts';

export type ChecksumType = Checksum['type'];

export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly initiatedMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: ChecksumType;
}

export interface Part {
  readonly number: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksum: Checksum | undefined;
}

export class Uploads {
  readonly #database: BucketDatabase;
  readonly #files: ObjectFiles;

  constructor(database: BucketDatabase, files: ObjectFiles) {
    this.#database = database;
    this.#files = files;
  }

  create(upload: Omit<Upload, 'id'>): Upload {
    const created = { ...upload, id: randomUUID().replaceAll('-', '') };
    this.#database.run(
      'INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      created.id,
      created.bucket,
      created.key,
      created.initiatedMs,
      JSON.stringify(created.headers),
      JSON.stringify(created.metadata),
      created.checksumAlgorithm ?? '',
      created.checksumType,
    );
    return created;
  }

  /** Throws NoSuchUpload, also where the upload is of another key. */
  get(id: string, bucket: string, key: string): Upload {
    const row = this.#database.row('SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?', id, bucket, key);
    if (row === undefined) throw new S3Error('NoSuchUpload', undefined, { UploadId: id });
    return uploadOf(row);
  }

  /** At most `limit` uploads behind (`key`, `id`), in that order. */
  list(bucket: string, after: { key: string; id: string }, limit: number): Upload[] {
    return this.#database
      .rows(
        'SELECT * FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) ORDER BY key, id LIMIT ?',
        bucket,
        after.key,
        after.id,
        limit,
      )
      .map(uploadOf);
  }

  parts(id: string, afterNumber = 0, limit = -1): Part[] {
    return this.#database
      .rows('SELECT * FROM parts WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?', id, afterNumber, limit)
      .map(partOf);
  }

  /** Takes the file at `path` in: a part of the same number is replaced. */
  putPart(upload: Upload, part: Part): void {
    const path = this.#files.newPart();
    const entries = this.#database.transaction(() => {
      this.get(upload.id, upload.bucket, upload.key);
      const replaced = this.#database.row('SELECT path FROM parts WHERE upload_id = ? AND number = ?', upload.id, part.number);
      this.#database.run(
        'INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)',
        upload.id,
        part.number,
        path,
        part.sizeBytes,
        part.etag,
        part.modifiedMs,
        checksumColumn(part.checksum),
      );
      const move = this.#files.note(part.path, path);
      return replaced === undefined ? [move] : [move, this.#files.note('', textOf(replaced, 'path'))];
    });
    this.#files.settle(entries);
  }

  /** Call it inside a transaction; answers which files must go. */
  end(id: string): string[] {
    const paths = this.parts(id).map(({ path }) => path);
    this.#database.run('DELETE FROM parts WHERE upload_id = ?', id);
    this.#database.run('DELETE FROM uploads WHERE id = ?', id);
    return paths;
  }

  abort(id: string, bucket: string, key: string): void {
    const entries = this.#database.transaction(() => {
      this.get(id, bucket, key);
      return this.end(id).map((path) => this.#files.note('', path));
    });
    this.#files.settle(entries);
  }
}

function uploadOf(row: Row): Upload {
  return {
    id: textOf(row, 'id'),
    bucket: textOf(row, 'bucket'),
    key: textOf(row, 'key'),
    initiatedMs: integerOf(row, 'initiated_ms'),
    headers: textRecordOf(row, 'headers'),
    metadata: textRecordOf(row, 'metadata'),
    checksumAlgorithm: parseAlgorithm(textOf(row, 'checksum_algorithm')),
    checksumType: textOf(row, 'checksum_type') === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE',
  };
}

function partOf(row: Row): Part {
  return {
    number: integerOf(row, 'number'),
    path: textOf(row, 'path'),
    sizeBytes: integerOf(row, 'size_bytes'),
    etag: textOf(row, 'etag'),
    modifiedMs: integerOf(row, 'modified_ms'),
    checksum: checksumOf(row),
  };
}
