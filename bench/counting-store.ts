/** A bucket in memory that counts what is asked of it. A tree of folders, so that a hundred thousand items cost no more each than ten. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ObjectHead, ObjectInfo, ObjectStore, PutOptions } from '../storage/object-store.ts';

export type RequestKind = 'list' | 'head' | 'get' | 'put' | 'create' | 'delete';
export type RequestCounts = Record<RequestKind, number>;

export interface CountingStore {
  readonly store: ObjectStore;
  /** Since the last call. */
  takeCounts(): RequestCounts;
  /** As another program writes: not counted. */
  plant(key: string, body: string, metadata?: Readonly<Record<string, string>>): void;
}

interface Stored extends ObjectHead {
  readonly text: string;
}

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly objects: Map<string, Stored>;
}

const PAGE_KEYS = 1000;
const NOTHING: RequestCounts = { list: 0, head: 0, get: 0, put: 0, create: 0, delete: 0 };
const BUCKET = 'videos';

export function createCountingStore(now: () => number): CountingStore {
  const root = emptyFolder();
  let counts = { ...NOTHING };

  /** The folder that holds `key`, made where it is not there and `make` is true. */
  function folderOf(key: string, make: boolean): Folder | undefined {
    let folder: Folder | undefined = root;
    for (const part of key.split('/').slice(0, -1)) {
      const next: Folder | undefined = folder.folders.get(part) ?? (make ? emptyFolder() : undefined);
      if (next === undefined) return undefined;
      if (make) folder.folders.set(part, next);
      folder = next;
    }
    return folder;
  }
  const find = (key: string) => folderOf(key, false)?.objects.get(key);

  function write(key: string, body: string | Uint8Array, { metadata = {}, contentType }: PutOptions): string {
    const text = Buffer.from(body).toString();
    const etag = createHash('md5').update(text).digest('hex');
    const stored = { key, sizeBytes: text.length, etag, lastModifiedMs: now(), contentType, metadata, text };
    folderOf(key, true)?.objects.set(key, stored);
    return etag;
  }

  function keysUnder(prefix: string): ObjectInfo[] {
    const found: ObjectInfo[] = [];
    const walk = ({ folders, objects }: Folder) => {
      for (const object of objects.values()) if (object.key.startsWith(prefix)) found.push(object);
      for (const folder of folders.values()) walk(folder);
    };
    const folder = folderOf(prefix, false);
    if (folder !== undefined) walk(folder);
    // Keys here are ASCII: by code units is by bytes.
    return found.sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  const store: ObjectStore = {
    scheme: 's3',
    bucket: BUCKET,
    async *list(prefix, { startAfter } = {}) {
      const found = keysUnder(prefix).filter(({ key }) => startAfter === undefined || key > startAfter);
      for (let at = 0; at === 0 || at < found.length; at += PAGE_KEYS) {
        counts.list += 1;
        if (at < found.length) yield found.slice(at, at + PAGE_KEYS);
      }
    },
    listFolders() {
      throw new Error('no job lists folders');
    },
    async head(key) {
      counts.head += 1;
      return find(key) ?? null;
    },
    async get(key) {
      counts.get += 1;
      const object = find(key);
      return object === undefined ? null : { ...object, body: Readable.from([Buffer.from(object.text)]) };
    },
    async put(key, body, options = {}) {
      counts.put += 1;
      if (body instanceof Readable) throw new Error('no streams here');
      return { etag: write(key, body, options) };
    },
    async createIfAbsent(key, body, options = {}) {
      counts.create += 1;
      if (find(key) !== undefined) return false;
      write(key, body, options);
      return true;
    },
    async delete(key) {
      counts.delete += 1;
      folderOf(key, false)?.objects.delete(key);
    },
    presignGet: async (key) => `https://bucket.invalid/${key}?signature=none`,
    presignPut: async (key) => ({ url: `https://bucket.invalid/${key}?signature=none`, headers: {} }),
  };
  return {
    store,
    takeCounts() {
      const taken = counts;
      counts = { ...NOTHING };
      return taken;
    },
    plant: (key, body, metadata = {}) => void write(key, body, { metadata }),
  };
}

function emptyFolder(): Folder {
  return { folders: new Map(), objects: new Map() };
}
