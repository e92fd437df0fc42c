/** A bucket's state in a folder of its own, without HTTP. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BucketDatabase } from '../../../../local/bucket/database.ts';
import { ObjectFiles } from '../../../../local/bucket/files.ts';
import { Objects, type StoredObject } from '../../../../local/bucket/objects.ts';
import { type Deliver, Outbox } from '../../../../local/bucket/outbox.ts';
import { silentLogger } from '../../../../log.ts';

export interface Scratch {
  readonly dataDir: string;
  readonly database: BucketDatabase;
  readonly files: ObjectFiles;
  readonly objects: Objects;
  readonly outbox: Outbox;
  /** Writes an object whose body, and ETag, is `body`. */
  readonly put: (key: string, body: string, conditions?: ReadonlyMap<string, string>) => StoredObject;
  readonly remove: (key: string) => boolean;
  readonly close: () => Promise<void>;
}

export const origin = { requestId: 'ID', sourceIpAddress: '127.0.0.1' };

export function openScratch({
  dataDir = mkdtempSync(join(tmpdir(), 'millrace-bucket-')),
  deliver,
}: {
  dataDir?: string;
  deliver?: Deliver;
} = {}): Scratch {
  mkdirSync(join(dataDir, '.millrace'), { recursive: true });
  const database = new BucketDatabase(join(dataDir, '.millrace', 'bucket.sqlite'));
  const files = new ObjectFiles(dataDir, database);
  const outbox = new Outbox({ database, deliver, log: silentLogger, now: Date.now });
  const objects = new Objects({ database, files, outbox, region: 'us-east-1', now: Date.now });
  files.recover();
  objects.createBucket('videos');
  const put: Scratch['put'] = (key, body, conditions = new Map()) => {
    const path = files.newIncoming();
    writeFileSync(files.absolute(path), body);
    const content = { path, sizeBytes: Buffer.byteLength(body), etag: body, headers: {}, metadata: {}, checksum: undefined };
    return objects.write({ bucket: 'videos', key, content, event: 'ObjectCreated:Put', conditions, origin });
  };
  const remove = (key: string) => objects.remove('videos', key, new Map(), origin);
  const close = async () => {
    await outbox.close();
    database.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { dataDir, database, files, objects, outbox, put, remove, close };
}
