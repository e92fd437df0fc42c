/**
 * Fingerprints of long lists, kept from one look at a job to the next: most of a hundred thousand entries are then what they were, and to
 * compare two entries takes far less time than to hash one. What is kept decides nothing: without it the same fingerprints are made again.
 */

/** In shorter lists there is nothing to gain. */
const SHORTEST_LIST = 500;
/** Of all lists together; whose turn was longest ago goes first. */
const MAX_ENTRIES = 200_000;

interface KnownList {
  readonly shared: string;
  readonly entries: readonly unknown[];
  readonly fingerprints: (string | undefined)[];
}

const lists = new Map<string, KnownList>();

export interface KnownFingerprints {
  /** `undefined` where this entry, or what all share, was not known as it is now. */
  get(index: number): string | undefined;
  set(index: number, fingerprint: string): void;
}

const NOTHING_KNOWN: KnownFingerprints = { get: () => undefined, set: () => {} };

/**
 * `id` names the list from look to look. `shared` says all, but for the entry and its number, that an item's fingerprint is made from: the
 * caller uses neither `get` nor `set` for an item that is made from more.
 */
export function knownFingerprints(id: string, entries: readonly unknown[], shared: () => string): KnownFingerprints {
  if (entries.length < SHORTEST_LIST) return NOTHING_KNOWN;
  const last = lists.get(id);
  const now: KnownList = { shared: shared(), entries, fingerprints: [] };
  lists.delete(id);
  lists.set(id, now);
  forgetOldest();
  const isSame = last?.shared === now.shared;
  return {
    get: (index) =>
      isSame && index < last.entries.length && isEqual(last.entries[index], entries[index])
        ? last.fingerprints[index]
        : undefined,
    set(index, fingerprint) {
      now.fingerprints[index] = fingerprint;
    },
  };
}

function forgetOldest(): void {
  let kept = 0;
  for (const { entries } of lists.values()) kept += entries.length;
  for (const [id, { entries }] of lists) {
    if (kept <= MAX_ENTRIES) return;
    lists.delete(id);
    kept -= entries.length;
  }
}

/** Of JSON values. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && isEqual(Reflect.get(a, name), Reflect.get(b, name)));
}
