/** How long to wait before trying again. */

export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** More than enough doublings for any bound, and 2 to this power is still a whole number of milliseconds. */
const MAX_DOUBLINGS = 30;

/** Before the `attempt`-th try (from 1): twice as long each time up to the bound, and between half and all of that. */
export function backOffMs(attempt: number, { firstMs, maxMs }: BackOff, random: () => number): number {
  const doublings = Math.max(0, Math.min(attempt - 1, MAX_DOUBLINGS));
  return Math.min(maxMs, firstMs * 2 ** doublings) * (0.5 + random() / 2);
}
