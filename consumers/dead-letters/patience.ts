/** Waits where a queue asks for fewer requests: a run over thousands of letters must not end for that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../errors.ts';
import { backOffMs } from '../back-off.ts';

const TRIES = 6;
const PAUSES = { firstMs: 1_000, maxMs: 30_000 };

export type Sleep = (ms: number) => Promise<unknown>;

/** Makes the call again only after QUEUE_BUSY: then the queue has taken nothing. */
export async function patiently<T>(call: () => Promise<T>, wait: Sleep = sleep): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (thrown) {
      if (!(thrown instanceof MillraceError) || thrown.code !== 'QUEUE_BUSY' || attempt === TRIES) throw thrown;
      const { retryAfterMs } = thrown.context;
      await wait(
        typeof retryAfterMs === 'number' ? Math.min(retryAfterMs, PAUSES.maxMs) : backOffMs(attempt, PAUSES, Math.random),
      );
    }
  }
}
