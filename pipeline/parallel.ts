/**
 * Works through a list, at most `limit` at once. After the first error no new work begins; what runs is awaited, and
 * then the error is thrown.
 */
export async function inParallel<T>(
  limit: number,
  list: readonly T[],
  work: (entry: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = list.entries();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const [index, entry] of entries) {
      if (failures.length > 0) return;
      try {
        await work(entry, index);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, list.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
