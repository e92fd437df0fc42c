import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { allowance } from '../../../pipeline/slots.ts';
import { sweep } from '../../../pipeline/sweep.ts';
import { itemsOf } from '../../simulation/run-input.ts';
import { createInMemory, type InMemory, layout } from './consumer-in-memory.ts';
import { graphOf } from './job-builder.ts';

const GRAPH = graphOf({
  small: {
    manifest: { keys: ['m.json'], type: 'json' },
    for_each: '${manifest.list}',
    task: 'DOWNSAMPLING',
    output: 'small-${index}.mp4',
  },
});
const MINUTE_MS = 60_000;

const slot = (job: string) => ({ endpoint: 'default', job, name: { stage: 's', item: '0', fingerprint: 'aa', attempt: 1 } });
const slots = (job: string, count: number) => Array.from({ length: count }, () => slot(job));

function worldWith(maxRunsInFlight: number): InMemory {
  return createInMemory(GRAPH, { maxRunsInFlight });
}

function ask(world: InMemory, job: string, items: number): void {
  world.bucket.put(layout.jobKey(job, 'm.json'), JSON.stringify({ list: Array.from({ length: items }, (_, index) => index) }));
}

const takenSlots = (world: InMemory): string[] => world.keys('pipelines-state/slots/');
const notes = (world: InMemory, job: string): string[] => world.keys(`pipelines-state/waiting/${job}/`);
const runsOf = (world: InMemory, job: string) =>
  world.runs.flatMap(({ input }) => itemsOf(input)).filter(({ millrace }) => millrace.job === job);

/** The oldest run of the job that has not ended, ended. */
function finishOne(world: InMemory, job: string, ended: Set<string>): void {
  const item = runsOf(world, job).find(({ millrace }) => !ended.has(`${millrace.job}/${millrace.item}`));
  if (item === undefined) throw new Error(`${job} has nothing in flight`);
  ended.add(`${item.millrace.job}/${item.millrace.item}`);
  world.finish(item);
}

describe('a job may have', () => {
  test('all that is free while nobody else waits', () => {
    expect(allowance(10, 'a', slots('a', 3), [])).toBe(7);
    expect(allowance(10, 'a', slots('b', 3), [{ job: 'a' }])).toBe(7);
    expect(allowance(10, 'a', slots('b', 12), [])).toBe(0);
  });

  test('no more than those that wait have, once others do', () => {
    expect(allowance(10, 'a', slots('a', 8), [{ job: 'b' }])).toBe(0);
    expect(allowance(10, 'b', slots('a', 8), [{ job: 'b' }, { job: 'c' }])).toBe(1);
    expect(allowance(10, 'b', slots('a', 4), [{ job: 'b' }, { job: 'c' }])).toBe(3);
    expect(allowance(2, 'd', [...slots('a', 1)], [{ job: 'b' }, { job: 'c' }])).toBe(1);
  });

  test('never more than is free, and no less than one of what is free where it has none', () => {
    const job = fc.constantFrom('a', 'b', 'c', 'd');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        job,
        fc.array(job, { maxLength: 25 }),
        fc.array(job),
        (ceiling, me, held, waiting) => {
          const allowed = allowance(
            ceiling,
            me,
            held.map(slot),
            waiting.map((one) => ({ job: one })),
          );
          const free = Math.max(0, ceiling - held.length);
          expect(allowed).toBeLessThanOrEqual(free);
          if (!held.includes(me) && free > 0) expect(allowed).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe('with a ceiling', () => {
  test('no more runs are asked for than it allows, and the job notes that it waits', async () => {
    const world = worldWith(3);
    ask(world, 'big', 10);
    await world.reconcile('big');
    expect(world.runs).toHaveLength(3);
    expect(takenSlots(world)).toHaveLength(3);
    expect(notes(world, 'big')).toHaveLength(1);
  });

  test('however many consumers look at however many jobs at once', async () => {
    const world = worldWith(4);
    for (const job of ['a', 'b', 'c']) ask(world, job, 5);
    const consumers = Array.from({ length: 6 }, () => world.another());
    await Promise.all(consumers.map((consumer, index) => reconcile(consumer, ['a', 'b', 'c'][index % 3] ?? 'a')));
    expect(world.runs.length).toBeLessThanOrEqual(4);
    // Whoever stepped back has left a note, so a sweep finds the rest.
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(world.runs).toHaveLength(4);
  });

  test('a run that ends makes room for the next of its job', async () => {
    const world = worldWith(2);
    const ended = new Set<string>();
    ask(world, 'big', 3);
    await world.reconcile('big');
    finishOne(world, 'big', ended);
    await world.reconcile('big');
    expect(world.runs).toHaveLength(3);
    expect(takenSlots(world)).toHaveLength(2);
    expect(notes(world, 'big')).toEqual([]);
  });

  test('a small job does not wait until a big one has done', async () => {
    const world = worldWith(4);
    const ended = new Set<string>();
    ask(world, 'big', 100);
    await world.reconcile('big');
    ask(world, 'small', 2);
    await world.reconcile('small');
    expect(runsOf(world, 'small')).toEqual([]);
    for (const _ of [1, 2]) {
      finishOne(world, 'big', ended);
      // Whoever frees a slot says who waits for it; the consumer has that job looked at.
      const { wake } = await world.reconcile('big');
      expect(wake).toEqual(['small']);
      for (const job of wake) await world.reconcile(job);
    }
    expect(runsOf(world, 'small')).toHaveLength(2);
    expect(runsOf(world, 'big')).toHaveLength(4);
    finishOne(world, 'small', ended);
    finishOne(world, 'small', ended);
    const { wake } = await world.reconcile('small');
    expect(wake).toEqual(['big']);
    await world.reconcile('big');
    expect(runsOf(world, 'big')).toHaveLength(6);
    expect(takenSlots(world)).toHaveLength(4);
  });

  test('what was told to nobody is taken up by the sweep, whoever has waited longest first', async () => {
    const world = worldWith(1);
    ask(world, 'first', 1);
    await world.reconcile('first');
    for (const job of ['second', 'third']) {
      ask(world, job, 1);
      world.clockMs += 1000;
      await world.reconcile(job);
    }
    finishOne(world, 'first', new Set());
    world.clockMs += MINUTE_MS;
    // Nobody hears of the end of the first: the sweep gives its slot back,
    await world.sweep();
    world.clockMs += MINUTE_MS;
    // and the next one hands it on.
    await world.sweep();
    expect([runsOf(world, 'second').length, runsOf(world, 'third').length]).toEqual([1, 0]);
  });

  /** A big job has three of four slots and has waited longest for more; a small one has none, and waits too. The fourth run has just ended. */
  async function withOneFree(): Promise<InMemory> {
    const world = worldWith(4);
    ask(world, 'other', 1);
    await world.reconcile('other');
    for (const [job, items] of [
      ['big', 100],
      ['small', 1],
    ] as const) {
      world.clockMs += 1000;
      ask(world, job, items);
      await world.reconcile(job);
    }
    finishOne(world, 'other', new Set());
    return world;
  }

  test('a free slot is told to whoever may have it, not to whoever has waited longest and has more already', async () => {
    const world = await withOneFree();
    expect((await world.reconcile('other')).wake).toEqual(['small']);
  });

  test('so does the sweep', async () => {
    const world = await withOneFree();
    for (const _ of ['gives the slot back', 'hands it on']) {
      world.clockMs += MINUTE_MS;
      await world.sweep();
    }
    expect([runsOf(world, 'big').length, runsOf(world, 'small').length]).toEqual([3, 1]);
  });

  test('a job that cannot be looked at does not keep those behind it from a free slot', async () => {
    const world = worldWith(1);
    ask(world, 'first', 1);
    await world.reconcile('first');
    for (const job of ['second', 'third']) {
      ask(world, job, 1);
      world.clockMs += 1000;
      await world.reconcile(job);
    }
    finishOne(world, 'first', new Set());
    await world.reconcile('first');
    const { wake } = world.source;
    const failing = async (job: string) => (job === 'second' ? Promise.reject(new Error('broken')) : wake(job));
    await sweep({ ...world.source, wake: failing });
    expect(runsOf(world, 'third')).toHaveLength(1);
    // Nor does it keep its share free: it does not wait for a slot any more, but for the next sweep.
    expect(notes(world, 'second')).toEqual([expect.stringContaining('-retry.')]);
    const [third] = runsOf(world, 'third');
    if (third !== undefined) world.finish(third);
    await world.reconcile('third');
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(runsOf(world, 'second')).toHaveLength(1);
    expect(notes(world, 'second')).toEqual([]);
  });

  test('a job that waits is taken up where the ceiling was taken away', async () => {
    const world = worldWith(1);
    ask(world, 'first', 1);
    ask(world, 'second', 1);
    await world.reconcile('first');
    await world.reconcile('second');
    const unlimited = { ...world.source, maxRunsInFlight: 0 };
    await sweep({ ...unlimited, wake: async (job) => void (await reconcile(unlimited, job)) });
    expect(runsOf(world, 'second')).toHaveLength(1);
    expect(notes(world, 'second')).toEqual([]);
  });

  test('a run that RunPod refused gives its slot back', async () => {
    const world = worldWith(2);
    ask(world, 'big', 2);
    const { MillraceError } = await import('../../../errors.ts');
    world.onRun = () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', '429') });
    await world.reconcile('big');
    expect(takenSlots(world)).toEqual([]);
  });

  test('a consumer that is stopped gives back the slots of what it has not begun, and notes that its job waits', async () => {
    const world = worldWith(50);
    ask(world, 'big', 50);
    const stop = new AbortController();
    world.onRun = () => {
      stop.abort(new Error('the consumer is stopping'));
      return { kind: 'accepted', runId: 'run' };
    };
    await expect(reconcile(world.source, 'big', stop.signal)).rejects.toThrow('stopping');
    expect(takenSlots(world).length).toBeLessThan(10);
    // Nobody asked for this look but a wake-up, so nothing but the note has the job looked at again.
    expect(notes(world, 'big')).toHaveLength(1);
    world.clockMs += MINUTE_MS;
    await world.sweep();
    expect(new Set(runsOf(world, 'big').map(({ millrace }) => millrace.item)).size).toBe(50);
  });

  test('slots that could not be counted are given back', async () => {
    const world = worldWith(3);
    ask(world, 'big', 3);
    const { store } = world.source;
    let lists = 0;
    const list: typeof store.list = (prefix, options) => {
      if (prefix.startsWith(layout.slotPrefix)) lists += 1;
      if (lists > 1) throw new Error('away');
      return store.list(prefix, options);
    };
    await expect(reconcile({ ...world.source, store: { ...store, list } }, 'big')).rejects.toThrow('away');
    // Before its slots were written, and after.
    expect(lists).toBe(2);
    expect(takenSlots(world)).toEqual([]);
  });

  test('a slot of a consumer that died before its claim is given back, and not before its time', async () => {
    const world = worldWith(1);
    world.bucket.put(
      layout.slotKey('default', 'dead', { stage: 'small', item: '0', fingerprint: 'ab', attempt: 1 }, '1'),
      JSON.stringify({ version: 1, attempts: [{ stage: 'small', item: '0', fingerprint: 'ab', attempt: 1 }] }),
    );
    world.clockMs += 2 * MINUTE_MS;
    await world.sweep();
    expect(takenSlots(world)).toHaveLength(1);
    world.clockMs += 2 * MINUTE_MS;
    await world.sweep();
    expect(takenSlots(world)).toEqual([]);
  });

  test('a slot is kept while some of its attempts are still to be claimed, though the first has ended', async () => {
    const world = worldWith(1);
    ask(world, 'big', 1);
    await world.reconcile('big');
    const [first] = runsOf(world, 'big');
    if (first === undefined) throw new Error('nothing was dispatched');
    finishOne(world, 'big', new Set());
    const { stage, item, fingerprint, attempt } = first.millrace;
    const attempts = [
      { stage, item, fingerprint, attempt },
      { stage, item: '7', fingerprint: 'ab', attempt: 1 },
    ];
    // Of a consumer with an old plan, right before its claims.
    const key = layout.slotKey('default', 'big', first.millrace, 'f1');
    world.bucket.put(key, JSON.stringify({ version: 1, attempts }));
    await world.reconcile('big');
    expect(takenSlots(world)).toEqual([key]);
    world.clockMs += 4 * MINUTE_MS;
    await world.reconcile('big');
    expect(takenSlots(world)).toEqual([]);
  });

  test('a batch keeps its slot until its last item has ended', async () => {
    const batch = graphOf({
      trim: {
        manifest: { keys: ['m.json'], type: 'json' },
        for_each: '${manifest.list}',
        task: 'AUDIO_TRIM',
        items_per_run: 2,
        output: 'cut-${index}.wav',
      },
    });
    const world = createInMemory(batch, { maxRunsInFlight: 5 });
    ask(world, 'big', 2);
    await world.reconcile('big');
    const [first, second] = runsOf(world, 'big');
    if (first === undefined || second === undefined) throw new Error('nothing was dispatched');
    world.finish(first);
    await world.reconcile('big');
    expect(takenSlots(world)).toHaveLength(1);
    world.finish(second);
    await world.reconcile('big');
    expect(takenSlots(world)).toEqual([]);
  });
});

test('without a ceiling no slot is taken, and none is looked for', async () => {
  const world = worldWith(0);
  ask(world, 'big', 50);
  await world.reconcile('big');
  expect(world.runs).toHaveLength(50);
  expect(takenSlots(world)).toEqual([]);
});
