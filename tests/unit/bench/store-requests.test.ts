/** The budget of requests to the bucket. Counted, so that it holds on every machine; what they cost is what a job costs beside its GPU time. */
import { describe, expect, it } from 'vitest';
import { countRequests } from '../../../bench/store-requests.ts';

/** Claim, second look, record of the run, deletion of the claim; and a little for the looks, which list the job in pages of a thousand. */
const MOST_AN_ITEM = 4.2;

describe('the requests of a job', () => {
  it('are few where it is small', async () => {
    const { total, perItem } = await countRequests(10);
    // Of 10 segments: four each, and what every look lists whatever it finds.
    expect(perItem).toBeLessThanOrEqual(8);
    expect(total.get).toBe(1);
  });

  it('do not grow with each item', async () => {
    const [small, large] = [await countRequests(500), await countRequests(8000)];
    for (const { perItem } of [small, large]) expect(perItem).toBeLessThanOrEqual(MOST_AN_ITEM);
    expect(large.perItem).toBeLessThan(1.05 * small.perItem);
  }, 60_000);

  it('claim every item once, record it once, and read no output', async () => {
    const { total, runs, items } = await countRequests(80);
    // And the minute of the sweep.
    expect(total.create).toBe(2 * items + 1);
    expect(total.delete).toBe(items);
    expect(runs).toBe(items / 8);
    // The one HEAD asks whether a stage has made the master.
    expect(total).toMatchObject({ put: 0, get: 1, head: 1 });
  });
});
