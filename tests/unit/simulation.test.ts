/** Many small worlds in which everything goes wrong for a while. A failure prints its seed and its story; the same seed tells it again. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from '../simulation/mutants/mutants.ts';
import { mutate } from '../simulation/mutants/mutate.ts';
import { tellStory } from '../simulation/story.ts';

const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 200);
const FIRST_SEED = Number(process.env.SIMULATION_FIRST_SEED ?? 1);
const SEEDS_A_TEST = 20;

describe('whatever goes wrong for a while, every item comes to its right end', () => {
  for (let first = FIRST_SEED; first < FIRST_SEED + SEEDS; first += SEEDS_A_TEST) {
    const last = Math.min(first + SEEDS_A_TEST, FIRST_SEED + SEEDS) - 1;
    test(`in worlds ${first} to ${last}`, { timeout: 60_000 }, async () => {
      for (let seed = first; seed <= last; seed += 1) {
        const { story, faults } = await tellStory(seed);
        expect(faults, `seed ${seed}\n${story.join('\n')}`).toEqual([]);
      }
    });
  }
});

test('the same seed tells the same story', async () => {
  const [once, again] = [await tellStory(FIRST_SEED), await tellStory(FIRST_SEED)];
  expect(again.story).toEqual(once.story);
});

test('the mistakes of simulate:mutants can still be made', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const stale = MUTANTS.flatMap((mutant) => {
    try {
      mutate(root, mutant);
      return [];
    } catch (thrown) {
      return [String(thrown)];
    }
  });
  expect(stale).toEqual([]);
});
