/** Letters in batches that a queue takes. */

export interface BatchBounds {
  readonly messages: number;
  /** Of all messages of a batch together. */
  readonly bytes: number;
}

/** In order; a letter that is larger than a batch may be goes alone. */
export function batchesOf<T extends { readonly bytes: number }>(letters: readonly T[], most: BatchBounds): T[][] {
  const batches: T[][] = [];
  let bytes = 0;
  for (const letter of letters) {
    const last = batches.at(-1);
    if (last !== undefined && last.length < most.messages && bytes + letter.bytes <= most.bytes) {
      last.push(letter);
      bytes += letter.bytes;
    } else {
      batches.push([letter]);
      bytes = letter.bytes;
    }
  }
  return batches;
}
