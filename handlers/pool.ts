/** Work on several things at a time. */

/** Results in the list's order. The first failure stops the taking of further entries and is thrown once the running ones end. */
export async function mapInPool<T, R>(
  entries: readonly T[],
  size: number,
  work: (entry: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(entries.length);
  const failures: unknown[] = [];
  const queue = entries.entries();
  const lane = async () => {
    // All lanes draw from one iterator, so that every entry is taken once.
    for (const [index, entry] of queue) {
      if (failures.length > 0) return;
      try {
        results[index] = await work(entry, index);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(size, entries.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Throws, once both have ended, the failure of the first, or else of the second: nothing goes on in the folder of a task that has failed. */
export async function both<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}
