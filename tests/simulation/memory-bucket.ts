/** A bucket in memory: strongly consistent, one request at a time. Keys here are ASCII, so that text order is byte order. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { MillraceError } from '../../errors.ts';
import { folderNames } from '../../storage/folders.ts';
import type { ObjectHead, ObjectInfo, ObjectStore, PutOptions } from '../../storage/object-store.ts';

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export type RequestKind = 'list' | 'head' | 'get' | 'put' | 'create' | 'delete';

/** Who changed something: a consumer by its name, or one of these. */
export type Author = 'user' | 'worker' | 'program' | { readonly consumer: string };

export interface Change {
  readonly key: string;
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
  readonly author: Author;
}

/** Gives each request its turn, and may make it fail. */
export type GiveTurn = <T>(kind: RequestKind, act: () => T, signal?: AbortSignal) => Promise<T>;

export interface MemoryBucket {
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** In order. */
  keysUnder(prefix: string): readonly string[];
  /** At once, as the world's own hand: users and workers write with it. */
  put(key: string, body: string | Uint8Array, options?: PutOptions, author?: Author): void;
  delete(key: string, author?: Author): void;
  text(key: string): string | undefined;
  /** The same bucket as a program sees it. */
  open(giveTurn: GiveTurn, pageSize?: number, author?: Author): ObjectStore;
}

export interface MemoryBucketOptions {
  readonly now: () => number;
  /** Called after every write and delete. */
  readonly onChange?: (change: Change) => void;
}

export const BUCKET = 'videos';

export function createMemoryBucket({ now, onChange }: MemoryBucketOptions): MemoryBucket {
  const objects = new Map<string, StoredObject>();
  const keys: string[] = [];

  /** Where `key` is, or would be. */
  function indexOf(key: string): number {
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function put(key: string, body: string | Uint8Array, options: PutOptions, author: Author): StoredObject {
    const bytes = Buffer.from(body);
    const etag = createHash('md5').update(bytes).digest('hex');
    // S3 says when an object was written by the second.
    const lastModifiedMs = Math.floor(now() / 1000) * 1000;
    const after = { bytes, etag, lastModifiedMs, contentType: options.contentType, metadata: options.metadata ?? {} };
    const before = objects.get(key);
    if (before === undefined) keys.splice(indexOf(key), 0, key);
    objects.set(key, after);
    onChange?.({ key, before, after, author });
    return after;
  }

  function remove(key: string, author: Author): void {
    const before = objects.get(key);
    if (before === undefined) return;
    keys.splice(indexOf(key), 1);
    objects.delete(key);
    onChange?.({ key, before, after: undefined, author });
  }

  function keysUnder(prefix: string, after?: string, most = Number.POSITIVE_INFINITY): string[] {
    const found: string[] = [];
    for (let at = indexOf(after === undefined || after < prefix ? prefix : after); found.length < most; at += 1) {
      const key = keys[at];
      if (key === undefined || !key.startsWith(prefix)) break;
      if (key !== after) found.push(key);
    }
    return found;
  }

  function page(prefix: string, after: string | undefined, size: number): ObjectInfo[] {
    return keysUnder(prefix, after, size).flatMap((key) => {
      const object = objects.get(key);
      return object === undefined ? [] : [infoOf(key, object)];
    });
  }

  return {
    objects,
    keysUnder,
    put: (key, body, options = {}, author = 'user') => void put(key, body, options, author),
    delete: (key, author = 'user') => remove(key, author),
    text: (key) => objects.get(key)?.bytes.toString(),
    open(giveTurn, pageSize = 1000, author = 'user'): ObjectStore {
      return {
        scheme: 's3',
        bucket: BUCKET,
        async *list(prefix, { startAfter, signal } = {}) {
          let after = startAfter;
          for (;;) {
            const from = after;
            const found = await giveTurn('list', () => page(prefix, from, pageSize), signal);
            if (found.length > 0) yield found;
            if (found.length < pageSize) return;
            after = found.at(-1)?.key;
          }
        },
        async *listFolders(prefix, { startAfter, signal } = {}) {
          const keys = await giveTurn('list', () => keysUnder(prefix), signal);
          const names = keys.flatMap((key) => {
            const slash = key.indexOf('/', prefix.length);
            return slash < 0 ? [] : [key.slice(0, slash + 1)];
          });
          yield folderNames(prefix, [...new Set(names)], startAfter);
        },
        head: (key, signal) =>
          giveTurn(
            'head',
            () => {
              const object = objects.get(key);
              return object === undefined ? null : headOf(key, object);
            },
            signal,
          ),
        async get(key, { ifMatch, signal } = {}) {
          const object = await giveTurn('get', () => objects.get(key), signal);
          if (object === undefined) return null;
          if (ifMatch !== undefined && ifMatch !== object.etag) {
            throw new MillraceError('SOURCE_CHANGED', `${key} is another version`);
          }
          return { ...headOf(key, object), body: Readable.from([object.bytes]) };
        },
        async put(key, body, options) {
          const bytes = body instanceof Readable ? await buffer(body) : body;
          return giveTurn('put', () => ({ etag: put(key, bytes, options ?? {}, author).etag }), options?.signal);
        },
        createIfAbsent: (key, body, options) =>
          giveTurn(
            'create',
            () => {
              if (objects.has(key)) return false;
              put(key, body, options ?? {}, author);
              return true;
            },
            options?.signal,
          ),
        delete: (key, signal) => giveTurn('delete', () => remove(key, author), signal),
        presignGet: async (key) => presigned(key),
        presignPut: async (key, { metadata = {} }) => ({
          url: presigned(key),
          headers: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
        }),
      };
    },
  };
}

/** What must never be seen in an object that a consumer writes. */
export const SIGNATURE = '?signature=';

const presigned = (key: string): string => `https://bucket.invalid/${encodeURIComponent(key)}${SIGNATURE}secret`;

export const isPresigned = (value: unknown): value is string => typeof value === 'string' && value.includes(SIGNATURE);

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
