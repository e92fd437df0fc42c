/**
 * Reads what workers measured from the results they write. A result is written once and makes one event, so whoever receives the event
 * counts it; there is no place where all results are counted. What is approximate: an event that is lost counts nothing, one that comes
 * twice, to two consumers, counts twice.
 */
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { readMeasuredResult, resultNameOf } from '../pipeline/measured-result.ts';
import type { ListingSource } from '../pipeline/take-listing.ts';
import type { ObjectEvent } from './object-event.ts';
import type { ObserveConsumer } from './observer.ts';

export interface ResultCounterOptions extends ListingSource {
  readonly observe: ObserveConsumer;
  readonly log: Logger;
}

export interface ResultCounter {
  /** Returns at once. Reads the result, if the event is about one that this process has not counted yet. */
  see(event: ObjectEvent): void;
  /** Resolves when all that was seen has been read. */
  drain(): Promise<void>;
}

const READS_AT_ONCE = 8;
/** More than these wait for nobody: counting must not keep events of a big job in memory. */
const MAX_WAITING = 10_000;
/** An event that comes a second time comes within minutes. */
const MAX_REMEMBERED = 50_000;

export function createResultCounter(options: ResultCounterOptions): ResultCounter {
  const { observe, log } = options;
  const counted = new Set<string>();
  const waiting: string[] = [];
  const reading = new Set<Promise<void>>();

  async function read(key: string): Promise<void> {
    const found = resultNameOf(options, key);
    if (found === undefined) return;
    try {
      const result = await readMeasuredResult(options, found.job, found.name);
      if (result === undefined) observe('result skipped', { reason: 'unreadable' });
      else observe('result read', result);
    } catch (thrown) {
      // The event is acknowledged by now: what is not read now is never counted.
      log.debug({ key, error: asMillraceError(thrown) }, 'a result could not be read to be counted');
      observe('result skipped', { reason: 'unreadable' });
    }
  }

  function work(): void {
    while (reading.size < READS_AT_ONCE) {
      const key = waiting.shift();
      if (key === undefined) return;
      const done = read(key).finally(() => {
        reading.delete(done);
        work();
      });
      reading.add(done);
    }
  }

  return {
    see({ key, kind }) {
      if (kind !== 'created' || counted.has(key) || resultNameOf(options, key) === undefined) return;
      if (waiting.length >= MAX_WAITING) {
        observe('result skipped', { reason: 'busy' });
        return;
      }
      counted.add(key);
      forgetOldest(counted);
      waiting.push(key);
      work();
    },
    async drain() {
      while (reading.size > 0) await Promise.all(reading);
    },
  };
}

function forgetOldest(keys: Set<string>): void {
  if (keys.size <= MAX_REMEMBERED) return;
  for (const oldest of keys) {
    keys.delete(oldest);
    return;
  }
}
