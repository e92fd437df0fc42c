/** An ObjectStore in memory, as far as tasks use one. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ObjectHead, ObjectStore, PutOptions } from '../../storage/object-store.ts';

export class MemoryStore implements ObjectStore {
  readonly scheme: 's3' | 'gs';
  readonly bucket: string;
  readonly objects = new Map<string, { body: Buffer; options: PutOptions }>();

  constructor(scheme: 's3' | 'gs', bucket: string) {
    this.scheme = scheme;
    this.bucket = bucket;
  }

  async head(key: string): Promise<ObjectHead | null> {
    const found = this.objects.get(key);
    if (found === undefined) return null;
    const facts = { sizeBytes: found.body.length, etag: etagOf(found.body), lastModifiedMs: 0, contentType: undefined };
    return { key, ...facts, metadata: found.options.metadata ?? {} };
  }

  async get(key: string, { range }: { range?: { start: number; end?: number } } = {}) {
    const head = await this.head(key);
    const bytes = this.objects.get(key)?.body;
    if (head === null || bytes === undefined) return null;
    return {
      ...head,
      body: Readable.from([bytes.subarray(range?.start ?? 0, (range?.end ?? bytes.length - 1) + 1)], { objectMode: false }),
    };
  }

  async put(key: string, body: Readable | Uint8Array | string, options: PutOptions = {}) {
    const bytes = body instanceof Readable ? Buffer.concat(await body.toArray()) : Buffer.from(body);
    this.objects.set(key, { body: bytes, options });
    return { etag: etagOf(bytes) };
  }

  listFolders(): never {
    throw new Error('no task lists');
  }
  list(): never {
    throw new Error('no task lists');
  }
  createIfAbsent(): never {
    throw new Error('no task claims');
  }
  delete(): never {
    throw new Error('no task deletes');
  }
  presignGet(): never {
    throw new Error('no task presigns');
  }
  presignPut(): never {
    throw new Error('no task presigns');
  }
}

function etagOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
