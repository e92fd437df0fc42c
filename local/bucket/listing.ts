/**
 * A page of a bucket's keys, grouped by a delimiter. Every step is one range query on the primary key: a common prefix with a million
 * keys beneath it costs one seek.
 */
import type { BucketDatabase } from './database.ts';
import { objectOf, type StoredObject } from './objects.ts';

export interface ListQuery {
  readonly bucket: string;
  readonly prefix: string;
  /** Empty for none. */
  readonly delimiter: string;
  /** Keys begin behind this one, or, with `skipBelow`, behind everything that starts with it. Empty for the beginning. */
  readonly after: string;
  readonly skipBelow: boolean;
  readonly maxKeys: number;
}

/** The last entry of a page, from which the next one goes on. */
export interface ListPosition {
  readonly after: string;
  readonly skipBelow: boolean;
}

export interface ListPage {
  readonly objects: readonly StoredObject[];
  readonly commonPrefixes: readonly string[];
  /** `undefined` at the end. */
  readonly next: ListPosition | undefined;
}

export function listPage(database: BucketDatabase, query: ListQuery): ListPage {
  const { bucket, prefix, delimiter, maxKeys } = query;
  const objects: StoredObject[] = [];
  const commonPrefixes: string[] = [];
  const end = successor(prefix);
  let from = firstKey(query);
  let last: ListPosition | undefined;
  if (maxKeys === 0) return { objects, commonPrefixes, next: undefined };
  while (from !== undefined) {
    const room = maxKeys - objects.length - commonPrefixes.length;
    // One more than there is room for tells whether there is a next page. With a delimiter most of a chunk may be skipped over,
    // so it is kept small.
    const chunk = delimiter === '' ? room + 1 : Math.min(room + 1, 64);
    const rows =
      end === undefined
        ? database.rows('SELECT * FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?', bucket, from, chunk)
        : database.rows(
            'SELECT * FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?',
            bucket,
            from,
            end,
            chunk,
          );
    from = undefined;
    for (const row of rows) {
      const object = objectOf(row);
      if (objects.length + commonPrefixes.length === maxKeys) return { objects, commonPrefixes, next: last };
      const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
      if (cut === -1) {
        objects.push(object);
        last = { after: object.key, skipBelow: false };
        from = `${object.key}\0`;
      } else {
        const commonPrefix = object.key.slice(0, cut + delimiter.length);
        commonPrefixes.push(commonPrefix);
        last = { after: commonPrefix, skipBelow: true };
        from = successor(commonPrefix);
        break;
      }
    }
  }
  return { objects, commonPrefixes, next: undefined };
}

function firstKey({ prefix, after, skipBelow }: ListQuery): string | undefined {
  if (after === '') return prefix;
  const behind = skipBelow ? successor(after) : `${after}\0`;
  if (behind === undefined) return undefined;
  return Buffer.compare(Buffer.from(behind), Buffer.from(prefix)) > 0 ? behind : prefix;
}

/** The least text, in UTF-8 order, that is greater than every text that starts with `prefix`; `undefined` where there is none. */
export function successor(prefix: string): string | undefined {
  const characters = [...prefix];
  while (characters.length > 0) {
    const codePoint = characters.pop()?.codePointAt(0) ?? 0;
    if (codePoint === 0x10ffff) continue;
    // Surrogates are no characters of their own and have no UTF-8.
    const next = codePoint === 0xd7ff ? 0xe000 : codePoint + 1;
    return characters.join('') + String.fromCodePoint(next);
  }
  return undefined;
}
