/** Objects that a listing tells of and nothing else holds: a real bucket is not in the memory of the process that lists it. */
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';

export interface ListedStore {
  readonly store: ObjectStore;
  /** When the last page of a listing was handed out, by `performance.now()`. */
  lastListedAtMs(): number;
}

const PAGE_KEYS = 1000;

/** `store` with these keys beside its own, which are few. They were all written at the same time and are alike. */
export function withListedKeys(store: ObjectStore, keys: readonly string[], lastModifiedMs: number): ListedStore {
  // Keys here are ASCII: by code units is by bytes.
  const sorted = keys.toSorted();
  let listedAtMs = 0;
  return {
    lastListedAtMs: () => listedAtMs,
    store: {
      ...store,
      async *list(prefix, options = {}) {
        const own = (await Array.fromAsync(store.list(prefix, options))).flat();
        const { startAfter = '' } = options;
        let page: ObjectInfo[] = [];
        for (const key of sorted) {
          if (!key.startsWith(prefix) || key <= startAfter) continue;
          for (let next = own[0]; next !== undefined && next.key < key; next = own[0]) {
            page.push(next);
            own.shift();
          }
          page.push({ key, sizeBytes: 5, etag: 'd41d8cd98f00b204e9800998ecf8427e', lastModifiedMs });
          if (page.length < PAGE_KEYS) continue;
          yield page;
          page = [];
        }
        listedAtMs = performance.now();
        yield [...page, ...own];
      },
    },
  };
}
