import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Action, type Audit, type AuditScope, openAudit, readHistory } from '../../../../consumers/dead-letters/audit.ts';
import type { LetterSink, LetterSource, TakenLetter } from '../../../../consumers/dead-letters/letter-queue.ts';
import { type LetterRun, type RunCounts, runLetters } from '../../../../consumers/dead-letters/letter-run.ts';
import { createPace } from '../../../../consumers/dead-letters/pace.ts';
import { MillraceError } from '../../../../errors.ts';
import { noted, takenOf } from './letters.ts';

const BATCH = 4;

class Crash extends Error {}

/** A dead-letter queue and a main queue in memory, which outlive the runs, and a process that can die between any two effects. */
class World {
  readonly dead = new Map<string, TakenLetter>();
  readonly main: { id: string; replays: number }[] = [];
  /** Ids that cannot be sent, or removed. */
  readonly refused = new Set<string>();
  readonly stuck = new Set<string>();
  /** Effects until the process dies; each has a moment before it and one after it. */
  momentsLeft = Number.POSITIVE_INFINITY;
  held: string[] = [];

  add(...letters: readonly TakenLetter[]): void {
    for (const each of letters) this.dead.set(each.key, each);
  }

  async effect<T>(make: () => T | Promise<T>): Promise<T> {
    this.#moment();
    const value = await make();
    this.#moment();
    return value;
  }

  #moment(): void {
    this.momentsLeft -= 1;
    if (this.momentsLeft < 0) throw new Crash();
  }

  source(): LetterSource {
    const given = new Set<string>();
    this.held = [];
    return {
      name: 'dead',
      take: async (most) => {
        const fresh = [...this.dead.values()].filter(({ key }) => !given.has(key)).slice(0, most);
        for (const { key } of fresh) given.add(key);
        return fresh;
      },
      hold: async (letters) => void this.held.push(...letters.map(({ key }) => key)),
      remove: (letters) =>
        this.effect(() =>
          letters.map(({ key }) => {
            if (this.stuck.has(key)) return new MillraceError('QUEUE_ERROR', 'stuck');
            this.dead.delete(key);
            return undefined;
          }),
        ),
      state: async () => ({ letters: this.dead.size, hidden: 0, warnings: [] }),
      close: async () => undefined,
    };
  }

  sink(): LetterSink {
    return {
      name: 'main',
      maxBatch: BATCH,
      warnings: [],
      send: (letters) =>
        this.effect(() =>
          letters.map(({ key, replays }) => {
            if (this.refused.has(key)) return new MillraceError('QUEUE_ERROR', 'refused');
            this.main.push({ id: key, replays });
            return undefined;
          }),
        ),
    };
  }
}

describe('a run', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-run-'));
    file = join(folder, 'audit.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  type Options = Partial<Omit<LetterRun, 'audit' | 'history'>> & { readonly dryRun?: true };

  async function run(world: World, action: Action, { dryRun, ...more }: Options = {}): Promise<RunCounts> {
    const sink = action === 'discard' ? undefined : world.sink();
    const scope: AuditScope = { action, from: 'dead', to: sink?.name ?? null };
    const history = await readHistory(file, scope);
    const opened = await openAudit({ ...scope, file, run: 'run', now: () => 0 });
    const audit: Audit = { ...opened, write: (lines) => world.effect(() => opened.write(lines)) };
    try {
      return await runLetters({
        ...{ source: world.source(), sink, filter: {}, limit: Number.POSITIVE_INFINITY, maxReplays: 3, force: false },
        ...{ keep: action === 'copy', pace: createPace(undefined, BATCH), startedAtMs: Number.POSITIVE_INFINITY },
        ...{ listener: {}, signal: new AbortController().signal },
        ...more,
        ...{ history, audit: dryRun ? undefined : audit },
      });
    } finally {
      await opened.close();
    }
  }

  const letters = (count: number) => Array.from({ length: count }, (_, index) => takenOf({ id: `letter ${index}` }));
  const sentIds = (world: World) => world.main.map(({ id }) => id);

  test.each<Action>(['replay', 'copy', 'discard'])(
    'to %s that dies between any two effects is gone on with by the next: nothing is lost, and little is sent twice',
    async (action) => {
      const count = 10;
      for (let moments = 0; ; moments += 1) {
        await rm(file, { force: true });
        const world = new World();
        world.add(...letters(count));
        world.momentsLeft = moments;
        const died = await run(world, action).then(
          () => false,
          (thrown) => thrown instanceof Crash,
        );
        world.momentsLeft = Number.POSITIVE_INFINITY;
        const counts = await run(world, action);
        const where = `after ${moments} moments`;
        expect(counts, where).toMatchObject({ failed: 0, isFinished: true });
        expect(world.dead.size, where).toBe(action === 'copy' ? count : 0);
        expect(new Set(sentIds(world)).size, where).toBe(action === 'discard' ? 0 : count);
        // Only a batch whose sending was not written down yet.
        expect(world.main.length - count, where).toBeLessThanOrEqual(action === 'discard' ? 0 : counts.sentAgain);
        expect(counts.sentAgain, where).toBeLessThanOrEqual(action === 'discard' ? 0 : BATCH);
        if (!died) break;
      }
    },
  );

  test('counts what an earlier run had sent, and only removes it', async () => {
    const world = new World();
    world.add(...letters(2));
    world.stuck.add('letter 0');
    expect(await run(world, 'replay')).toMatchObject({ done: 1, failed: 1 });
    world.stuck.clear();
    expect(await run(world, 'replay')).toMatchObject({ done: 0, sentBefore: 1, failed: 0 });
    expect(sentIds(world)).toEqual(['letter 0', 'letter 1']);
    expect(world.dead.size).toBe(0);
  });

  test('leaves what its sink refuses, and sends it the next time', async () => {
    const world = new World();
    world.add(...letters(3));
    world.refused.add('letter 1');
    const failed: string[] = [];
    const listener = { failed: ({ key }: TakenLetter, error: MillraceError) => void failed.push(`${key}: ${error.message}`) };
    expect(await run(world, 'replay', { listener })).toMatchObject({ done: 2, failed: 1 });
    expect(failed).toEqual(['letter 1: refused']);
    expect([...world.dead.keys()]).toEqual(['letter 1']);
    world.refused.clear();
    expect(await run(world, 'replay')).toMatchObject({ done: 1, failed: 0, sentAgain: 0 });
  });

  test('adds one to the replay count, and leaves what has reached the limit', async () => {
    const world = new World();
    for (const replays of [0, 2, 3, 4]) world.add(takenOf({ id: `${replays}`, attributes: noted('KEY_INVALID', { replays }) }));
    expect(await run(world, 'replay')).toMatchObject({ done: 2, quarantined: 2 });
    expect(world.main).toEqual([
      { id: '0', replays: 1 },
      { id: '2', replays: 3 },
    ]);
    expect(world.held).toEqual(['3', '4']);
    expect(await run(world, 'replay', { force: true })).toMatchObject({ done: 2, quarantined: 0 });
  });

  test('does not count saving as a replay', async () => {
    const world = new World();
    world.add(takenOf({ id: 'a', attributes: noted('KEY_INVALID', { replays: 9 }) }));
    expect(await run(world, 'save', { maxReplays: undefined })).toMatchObject({ done: 1 });
    expect(world.main).toEqual([{ id: 'a', replays: 9 }]);
  });

  test('leaves what was sent again and came back since it began', async () => {
    const world = new World();
    const startedAtMs = Date.parse('2026-11-25T09:00:00.000Z');
    world.add(takenOf({ id: 'back', attributes: noted('KEY_INVALID', { replays: 1 }) }));
    world.add(takenOf({ id: 'new', attributes: noted('KEY_INVALID') }));
    expect(await run(world, 'replay', { startedAtMs })).toMatchObject({ done: 1, cameBack: 1 });
    expect(sentIds(world)).toEqual(['new']);
  });

  test('keeps to its filter and its limit', async () => {
    const world = new World();
    world.add(...letters(9), takenOf({ id: 'wanted', body: 'wanted' }), takenOf({ id: 'wanted too', body: 'wanted' }));
    expect(await run(world, 'replay', { filter: { pattern: /wanted/ }, limit: 1 })).toMatchObject({ done: 1 });
    expect(sentIds(world)).toEqual(['wanted']);
    expect(world.dead.size).toBe(10);
  });

  test('that is dry does nothing, and counts what it would do', async () => {
    const world = new World();
    world.add(...letters(5), takenOf({ id: 'poison', attributes: noted('KEY_INVALID', { replays: 3 }) }));
    world.momentsLeft = 0;
    expect(await run(world, 'replay', { dryRun: true })).toMatchObject({ seen: 6, done: 5, quarantined: 1, isFinished: true });
    expect(world.held).toHaveLength(6);
  });

  test('that is stopped finishes what it has in hand', async () => {
    const world = new World();
    world.add(...letters(9));
    const stop = new AbortController();
    const listener = { progress: () => stop.abort() };
    expect(await run(world, 'replay', { listener, signal: stop.signal })).toMatchObject({ done: BATCH, isFinished: false });
    expect([world.main.length, world.dead.size]).toEqual([BATCH, 5]);
  });

  test('that is stopped while it waits for its pace gives back what it has in hand', async () => {
    const world = new World();
    world.add(...letters(2));
    const stop = new AbortController();
    const pace = { batch: BATCH, next: async () => stop.abort() ?? stop.signal.throwIfAborted() };
    expect(await run(world, 'replay', { pace, signal: stop.signal })).toMatchObject({ done: 0, isFinished: false });
    expect([world.held.length, world.main.length]).toEqual([2, 0]);
  });
});
