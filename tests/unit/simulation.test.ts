/** Many small worlds in which everything goes wrong for a while. A failure prints its seed and its story; the same seed tells it again. */
import { describe, expect, test } from 'vitest';
import { tellStory } from '../simulation/story.ts';

const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 100);
const FIRST_SEED = Number(process.env.SIMULATION_FIRST_SEED ?? 1);
const SEEDS_A_TEST = 20;

describe('whatever goes wrong for a while, every item comes to its right end', () => {
  for (let first = FIRST_SEED; first < FIRST_SEED + SEEDS; first += SEEDS_A_TEST) {
    const last = Math.min(first + SEEDS_A_TEST, FIRST_SEED + SEEDS) - 1;
    test(`in worlds ${first} to ${last}`, { timeout: 60_000 }, async () => {
      for (let seed = first; seed <= last; seed += 1) {
        const { world, faults } = await tellStory(seed);
        expect(faults, `seed ${seed}\n${world.story.join('\n')}`).toEqual([]);
      }
    });
  }
});
