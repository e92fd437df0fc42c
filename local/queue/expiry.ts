/** Retention. Messages past theirs are hidden from everybody already; deleting them frees their space. */
import { MAX_EXPIRED_PER_SWEEP } from './limits.ts';
import type { Service } from './service.ts';
import { liveSinceMs } from './take.ts';

/** At most MAX_EXPIRED_PER_SWEEP of each queue; answers how many in all. */
export function deleteExpired(service: Service): Promise<number> {
  return service.store.write(() => {
    const nowMs = service.now();
    return service.queues
      .all()
      .reduce(
        (total, queue) => total + service.messages.deleteSentBefore(queue.id, liveSinceMs(queue, nowMs), MAX_EXPIRED_PER_SWEEP),
        0,
      );
  });
}
