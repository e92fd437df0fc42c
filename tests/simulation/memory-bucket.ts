/** A bucket in memory: strongly consistent, one request at a time, its history kept for the checks. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { MillraceError } from '../../errors.ts';
import type { ObjectHead, ObjectInfo, ObjectStore, PutOptions } from '../../storage/object-store.ts';

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export type RequestKind = 'list' | 'head' | 'get' | 'put' | 'create' | 'delete';

export interface MemoryBucket {
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** At once, as the world's own hand: users and workers write with it. */
  put(key: string, body: string | Uint8Array, options?: PutOptions): void;
  delete(key: string): void;
  text(key: string): string | undefined;
  /** The same bucket as a program sees it. `request` gives each request its turn, and may make it fail. */
  open(request: <T>(kind: RequestKind, act: () => T) => Promise<T>, pageSize?: number): ObjectStore;
}

export interface MemoryBucketOptions {
  readonly now: () => number;
  /** Called after every write and delete. */
  readonly onChange?: (key: string, object: StoredObject | undefined) => void;
}

export const BUCKET = 'videos';

export function createMemoryBucket({ now, onChange }: MemoryBucketOptions): MemoryBucket {
  const objects = new Map<string, StoredObject>();

  function put(key: string, body: string | Uint8Array, options: PutOptions = {}): StoredObject {
    const bytes = Buffer.from(body);
    const etag = createHash('md5').update(bytes).digest('hex');
    // S3 says when an object was written by the second.
    const lastModifiedMs = Math.floor(now() / 1000) * 1000;
    const object = { bytes, etag, lastModifiedMs, contentType: options.contentType, metadata: options.metadata ?? {} };
    objects.set(key, object);
    onChange?.(key, object);
    return object;
  }

  function remove(key: string): void {
    if (objects.delete(key)) onChange?.(key, undefined);
  }

  function page(prefix: string, after: string | undefined, size: number): ObjectInfo[] {
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && (after === undefined || bytewise(key, after) > 0));
    return keys
      .sort(bytewise)
      .slice(0, size)
      .flatMap((key) => {
        const object = objects.get(key);
        return object === undefined ? [] : [infoOf(key, object)];
      });
  }

  return {
    objects,
    put: (key, body, options) => void put(key, body, options),
    delete: remove,
    text: (key) => objects.get(key)?.bytes.toString(),
    open(request, pageSize = 1000): ObjectStore {
      return {
        scheme: 's3',
        bucket: BUCKET,
        async *list(prefix, { startAfter } = {}) {
          let after = startAfter;
          for (;;) {
            const from = after;
            const found = await request('list', () => page(prefix, from, pageSize));
            if (found.length > 0) yield found;
            if (found.length < pageSize) return;
            after = found.at(-1)?.key;
          }
        },
        head: (key) =>
          request('head', () => {
            const object = objects.get(key);
            return object === undefined ? null : headOf(key, object);
          }),
        async get(key, { ifMatch } = {}) {
          const object = await request('get', () => objects.get(key));
          if (object === undefined) return null;
          if (ifMatch !== undefined && ifMatch !== object.etag) {
            throw new MillraceError('SOURCE_CHANGED', `${key} is another version`);
          }
          return { ...headOf(key, object), body: Readable.from([object.bytes]) };
        },
        async put(key, body, options) {
          const bytes = body instanceof Readable ? await buffer(body) : body;
          return request('put', () => ({ etag: put(key, bytes, options).etag }));
        },
        createIfAbsent: (key, body, options) =>
          request('create', () => {
            if (objects.has(key)) return false;
            put(key, body, options);
            return true;
          }),
        delete: (key) => request('delete', () => remove(key)),
        presignGet: async (key) => `https://bucket.invalid/${encodeURIComponent(key)}?signature=secret`,
        presignPut: async (key, { metadata = {} }) => ({
          url: `https://bucket.invalid/${encodeURIComponent(key)}?signature=secret`,
          headers: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
        }),
      };
    },
  };
}

/** The key that a URL of `presignGet` or `presignPut` was made for. */
export function presignedKey(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

function infoOf(key: string, { bytes, etag, lastModifiedMs }: StoredObject): ObjectInfo {
  return { key, sizeBytes: bytes.length, etag, lastModifiedMs };
}

function headOf(key: string, object: StoredObject): ObjectHead {
  return { ...infoOf(key, object), contentType: object.contentType, metadata: object.metadata };
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
