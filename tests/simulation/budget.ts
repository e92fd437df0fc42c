/** Which failures still count against an item, in its owner's words: those that no success came after, by its number or by its time. */
export interface Ending {
  readonly status: string;
  readonly attempt: number;
  readonly atMs: number;
}

export function countedFailures<T extends Ending>(endings: readonly T[]): T[] {
  const successes = endings.filter(({ status }) => status === 'succeeded');
  return endings.filter(
    ({ status, attempt, atMs }) =>
      status === 'failed' && !successes.some((success) => success.attempt >= attempt || success.atMs > atMs),
  );
}
