/** What the stores' listings of folders share: where one begins, and how a folder's name is read. */

/**
 * Where a listing goes on behind a whole folder: `0` is what follows the slash, so this lies behind every key in it and before every other
 * folder. Behind `folder/` itself some servers would give the folder once more.
 */
export const behindFolder = (prefix: string, name: string): string => `${prefix}${name}0`;

/** The names of folders from their whole keys, slash and all, in the order of those. Those up to `startAfter` are left out. */
export function folderNames(prefix: string, keys: readonly string[], startAfter: string | undefined): string[] {
  const from = startAfter === undefined ? undefined : `${prefix}${startAfter}/`;
  return keys.filter((key) => from === undefined || isBehind(key, from)).map((key) => key.slice(prefix.length, -1));
}

const isBehind = (key: string, other: string): boolean => Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;
