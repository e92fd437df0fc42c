/**
 * How often messages were received, for a queue that does not say: Pub/Sub counts deliveries only under a dead-letter policy. Without
 * it every failure would look like the first, and be tried again in a second, for ever.
 */
export interface ReceiveCounts {
  /** Counts one more, and says how many that makes. */
  next(id: string): number;
  forget(id: string): void;
}

/** The oldest is forgotten first, and begins again at one. */
const MAX_REMEMBERED = 10_000;

export function createReceiveCounts(maxRemembered = MAX_REMEMBERED): ReceiveCounts {
  const counts = new Map<string, number>();
  return {
    next(id) {
      const count = (counts.get(id) ?? 0) + 1;
      counts.delete(id);
      counts.set(id, count);
      for (const oldest of counts.keys()) {
        if (counts.size <= maxRemembered) break;
        counts.delete(oldest);
      }
      return count;
    },
    forget(id) {
      counts.delete(id);
    },
  };
}
