/** A process that lives through seeds that another one names, and tells how each of them ends. */
import { tellStory } from './story.ts';

export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

export interface SeedEnd {
  readonly seed: number;
  readonly faults: readonly string[];
  readonly settledAfterMs: number;
  readonly steps: number;
}

process.on('message', ({ from, to }: SeedRange) => {
  void (async () => {
    for (let seed = from; seed <= to; seed += 1) {
      const { faults, settledAfterMs, steps } = await tellStory(seed);
      process.send?.({ seed, faults, settledAfterMs, steps } satisfies SeedEnd);
    }
  })();
});
