import { describe, expect, test } from 'vitest';
import { createLayout } from '../../../pipeline/layout.ts';
import { takeListing } from '../../../pipeline/take-listing.ts';
import { createMemoryBucket } from '../../simulation/memory-bucket.ts';

const layout = createLayout();
const NAME = { stage: 'cut', item: '0', fingerprint: 'ab', attempt: 1 };

/** Prefixes in the order of their listing; those that are asked for at once stand in one line, in alphabetical order. */
function listingWorld(keys: readonly string[]) {
  const bucket = createMemoryBucket({ now: () => 1_000 });
  for (const key of keys) bucket.put(key, 'x');
  const store = bucket.open((_, act) => Promise.resolve(act()));
  const steps: string[][] = [];
  let underWay = 0;
  const listed: typeof store.list = async function* (prefix, options) {
    const place = `${prefix}${options?.startAfter === undefined ? '' : ' behind results'}`;
    if (underWay === 0) steps.push([]);
    underWay += 1;
    steps.at(-1)?.push(place);
    // Whatever is asked for at the same time is asked for before this is answered.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const pages = await Array.fromAsync(store.list(prefix, options));
    underWay -= 1;
    yield* pages;
  };
  const source = { store: { ...store, list: listed }, layout };
  return {
    look: async () => {
      steps.length = 0;
      const listing = await takeListing(source, 'job', 1_000);
      return { listing, steps: steps.map((step) => step.sort().join(' + ')) };
    },
    put: (key: string) => bucket.put(key, 'x'),
  };
}

const state = (kind: string) => `pipelines-state/${kind}/job/`;
const FIRST = [state('claims'), state('retries'), state('runs'), state('waiting'), 'pipelines/job/'].sort().join(' + ');
const STATE = [state('retries'), state('runs'), state('waiting')].join(' + ');
const IN_ORDER = [state('claims'), 'pipelines/job/results/', 'pipelines/job/ + pipelines/job/ behind results'];

const INPUT = layout.jobKey('job', 'in.wav');
const BEGUN = {
  'a run': layout.stateKey('runs', 'job', NAME),
  'a claim': layout.stateKey('claims', 'job', NAME),
  'a result': layout.resultKey('job', NAME, 'failed'),
  'a retry mark': layout.stateKey('retries', 'job', NAME),
};
const NOTES = {
  'a note of a job that is held back': layout.waitingKey('job', 5_000, 'a'),
  'a note that an item is to be tried again': layout.waitingKey('job', 5_000, 'a', 'retry'),
  'a note that it waits for a slot': layout.waitingKey('job', 5_000, 'a', { slotOf: 'default' }),
};

test('a job in which nothing has begun is listed in one step', async () => {
  const { look } = listingWorld([INPUT, layout.problemKey('job', 'p.1')]);
  const { listing, steps } = await look();
  expect(steps).toEqual([FIRST]);
  expect([...listing.objects.keys()]).toEqual(['in.wav']);
  expect([...listing.problems]).toEqual(['p.1']);
});

describe('all that comes after the runs is listed once more, in order, where there is', () => {
  test.each(Object.entries({ ...BEGUN, ...NOTES }))('%s', async (_, key) => {
    const { look } = listingWorld([INPUT, key]);
    expect((await look()).steps).toEqual([FIRST, ...IN_ORDER]);
    // What is known to have begun is not taken for new again.
    expect((await look()).steps).toEqual([STATE, ...IN_ORDER]);
  });

  test('more than one page of objects', async () => {
    const { look } = listingWorld(Array.from({ length: 1100 }, (_, index) => layout.jobKey('job', `clips/${index}.mp4`)));
    const { listing, steps } = await look();
    expect(steps).toEqual([FIRST, ...IN_ORDER]);
    expect(listing.objects.size).toBe(1100);
  });
});

test('what was listed twice is there once', async () => {
  const { look } = listingWorld([INPUT, ...Object.values(BEGUN), layout.jobKey('job', 'webhooks/ab.1.failed.json')]);
  const { listing } = await look();
  const history = listing.history.get('cut')?.get(0);
  expect([history?.claims.length, history?.runs.length, history?.retries.length, history?.results.length]).toEqual([1, 1, 1, 1]);
  expect(listing.webhooks.get('ab')).toHaveLength(1);
});

test('a name that is no number of ours is nothing', async () => {
  const keys = ['01', '99999999999999999', 'x'].map((item) => layout.stateKey('claims', 'job', { ...NAME, item }));
  expect((await listingWorld(keys).look()).listing.history.size).toBe(0);
});
