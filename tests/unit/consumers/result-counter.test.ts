import { describe, expect, it } from 'vitest';
import type { ObjectEvent } from '../../../consumers/object-event.ts';
import type { ConsumerEvents } from '../../../consumers/observer.ts';
import { createResultCounter } from '../../../consumers/result-counter.ts';
import { silentLogger } from '../../../log.ts';
import type { Told } from '../../../pipeline/observer.ts';
import { createInMemory } from '../pipeline/consumer-in-memory.ts';

const key = (index: number) => `pipelines/job/results/cut/${index}/abc.1.succeeded.json`;
const created = (key: string): ObjectEvent => ({ bucket: 'videos', key, kind: 'created', source: 's3' });

function counter() {
  const world = createInMemory();
  const told: Told<ConsumerEvents>[] = [];
  const { store } = world.source;
  let open = 0;
  let most = 0;
  const slow: typeof store = {
    ...store,
    async get(...asked) {
      open += 1;
      most = Math.max(most, open);
      await new Promise(setImmediate);
      open -= 1;
      return store.get(...asked);
    },
  };
  const observe = (...event: Told<ConsumerEvents>) => void told.push(event);
  const counting = createResultCounter({ store: slow, layout: world.source.layout, observe, log: silentLogger });
  return { ...world, ...counting, told, most: () => most };
}

describe('results are counted', () => {
  it('once each, although their events come twice', async () => {
    const { bucket, see, drain, told } = counter();
    bucket.put(key(0), '{"worker_sec": 2}');
    see(created(key(0)));
    see(created(key(0)));
    await drain();
    see(created(key(0)));
    await drain();
    expect(told).toEqual([['result read', expect.objectContaining({ stage: 'cut', item: '0', workerSeconds: 2 })]]);
  });

  it('all of many, a few at a time', async () => {
    const { bucket, see, drain, told, most } = counter();
    for (let index = 0; index < 100; index++) {
      bucket.put(key(index), '{}');
      see(created(key(index)));
    }
    await drain();
    expect(told).toHaveLength(100);
    expect(most()).toBeLessThanOrEqual(8);
  });

  it('from events of their creation alone', async () => {
    const { bucket, see, drain, told } = counter();
    bucket.put(key(0), '{}');
    see({ ...created(key(0)), kind: 'removed' });
    see(created('pipelines/job/stage/cut.wav'));
    await drain();
    expect(told).toEqual([]);
  });

  it('as skipped where they are no documents, too large, or gone', async () => {
    const { bucket, see, drain, told } = counter();
    bucket.put(key(0), 'no document');
    bucket.put(key(1), JSON.stringify({ filler: 'x'.repeat(300_000) }));
    for (const index of [0, 1, 2]) see(created(key(index)));
    await drain();
    expect(told).toEqual(Array(3).fill(['result skipped', { reason: 'unreadable' }]));
  });

  it('as skipped where more wait than may be kept', async () => {
    const { see, drain, told } = counter();
    for (let index = 0; index < 10_009; index++) see(created(key(index)));
    expect(told).toEqual([['result skipped', { reason: 'busy' }]]);
    await drain();
  });
});
