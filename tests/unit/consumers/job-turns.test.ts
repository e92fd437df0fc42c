import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJobTurns } from '../../../consumers/job-turns.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';

/** Turns whose reconciles end when the test says so. */
function turnsByHand(concurrency = 2) {
  const begun: { job: string; signal: AbortSignal; end: PromiseWithResolvers<void> }[] = [];
  const turns = createJobTurns({
    concurrency,
    log: silentLogger,
    reconcile: (job, signal) => {
      const end = Promise.withResolvers<void>();
      begun.push({ job, signal, end });
      return end.promise;
    },
  });
  const nth = (index: number) => begun[index] ?? expect.unreachable(`reconcile ${index} has not begun`);
  return { turns, begun, nth, jobs: () => begun.map(({ job }) => job) };
}

/** How a promise stands, once all that can happen without the test's doing has happened. */
async function standing(promise: Promise<void>): Promise<'open' | 'done' | 'failed'> {
  await new Promise((resolve) => setImmediate(resolve));
  return Promise.race([
    promise.then(
      () => 'done' as const,
      () => 'failed' as const,
    ),
    new Promise<'open'>((resolve) => setImmediate(() => resolve('open'))),
  ]);
}

describe('request', () => {
  test('a request that finds its job running waits for a reconcile that begins after it', async () => {
    const { turns, nth, jobs } = turnsByHand();
    const first = turns.request('a');
    const second = turns.request('a');
    const third = turns.request('a');
    expect(jobs()).toEqual(['a']);
    nth(0).end.resolve();
    expect(await standing(first)).toBe('done');
    expect(await standing(second)).toBe('open');
    expect(jobs()).toEqual(['a', 'a']);
    nth(1).end.resolve();
    await Promise.all([second, third]);
    expect(jobs()).toEqual(['a', 'a']);
  });

  test('a failure reaches all who waited for that turn, and nobody else', async () => {
    const { turns, nth } = turnsByHand();
    const first = turns.request('a');
    const second = turns.request('a');
    const third = turns.request('a');
    nth(0).end.resolve();
    await first;
    nth(1).end.reject(new MillraceError('STORE_UNREACHABLE', 'away'));
    await expect(second).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    await expect(third).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    const fourth = turns.request('a');
    nth(2).end.resolve();
    await fourth;
  });

  test('runs as many jobs at once as allowed, the others in order, and a busy job does not push in', async () => {
    const { turns, nth, jobs } = turnsByHand(2);
    const all = ['a', 'b', 'c', 'a', 'd'].map((job) => turns.request(job));
    expect(jobs()).toEqual(['a', 'b']);
    expect(turns.status()).toEqual({ running: 2, waiting: 3 });
    nth(0).end.resolve();
    await all[0];
    expect(jobs()).toEqual(['a', 'b', 'c']);
    for (const index of [1, 2]) nth(index).end.resolve();
    await Promise.all([all[1], all[2]]);
    expect(jobs()).toEqual(['a', 'b', 'c', 'a', 'd']);
    for (const index of [3, 4]) nth(index).end.resolve();
    await Promise.all(all);
  });

  test('a reconcile is stopped when the last who waited for it has left, not before', async () => {
    const { turns, nth } = turnsByHand();
    const [one, two] = [new AbortController(), new AbortController()];
    // The first runs; the other two share the turn after it.
    const running = turns.request('a');
    const first = turns.request('a', one.signal);
    const second = turns.request('a', two.signal);
    nth(0).end.resolve();
    await running;
    one.abort();
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(nth(1).signal.aborted).toBe(false);
    two.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(nth(1).signal.aborted).toBe(true);
    nth(1).end.reject(new Error('stopped'));
    await turns.drain();
  });

  test('a turn that has not begun and that nobody wants any more never begins', async () => {
    const { turns, nth, jobs } = turnsByHand(1);
    const stop = new AbortController();
    const first = turns.request('a');
    const unwanted = turns.request('b', stop.signal);
    const third = turns.request('c');
    stop.abort();
    await expect(unwanted).rejects.toMatchObject({ code: 'CANCELLED' });
    nth(0).end.resolve();
    await first;
    expect(jobs()).toEqual(['a', 'c']);
    nth(1).end.resolve();
    await third;
  });

  test('under any interleaving: every request is answered by a reconcile that began after it, and no job runs twice at once', async () => {
    const step = fc.oneof(fc.record({ ask: fc.constantFrom('a', 'b', 'c') }), fc.record({ end: fc.nat(5), fails: fc.boolean() }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, concurrency) => {
        let clock = 0;
        const open: { job: string; beganAt: number; end: PromiseWithResolvers<void> }[] = [];
        const lastSuccess = new Map<string, number>();
        const answers: Promise<void>[] = [];
        const turns = createJobTurns({
          concurrency,
          log: silentLogger,
          reconcile: async (job) => {
            const run = { job, beganAt: ++clock, end: Promise.withResolvers<void>() };
            expect(open.map((other) => other.job)).not.toContain(job);
            open.push(run);
            expect(open.length).toBeLessThanOrEqual(concurrency);
            await run.end.promise.finally(() => open.splice(open.indexOf(run), 1));
            lastSuccess.set(job, run.beganAt);
          },
        });
        const ask = (job: string) => {
          const askedAt = ++clock;
          const answer = turns.request(job).then(
            () => expect(lastSuccess.get(job)).toBeGreaterThan(askedAt),
            (error) => expect(error).toMatchObject({ message: 'failed' }),
          );
          answers.push(answer.then(() => undefined));
        };
        for (const now of steps) {
          if ('ask' in now) ask(now.ask);
          else if (now.fails) open[now.end]?.end.reject(new Error('failed'));
          else open[now.end]?.end.resolve();
          await new Promise((resolve) => setImmediate(resolve));
        }
        for (let left = steps.length; open.length > 0 && left >= 0; left--) {
          for (const run of [...open]) run.end.resolve();
          await new Promise((resolve) => setImmediate(resolve));
        }
        await turns.drain();
        await Promise.all(answers);
      }),
      { numRuns: 60 },
    );
  });
});

describe('close', () => {
  test('lets what was asked for end, and takes no more', async () => {
    const { turns, nth } = turnsByHand(1);
    const first = turns.request('a');
    const second = turns.request('b');
    const closed = turns.close(60_000);
    await expect(turns.request('c')).rejects.toMatchObject({ code: 'CANCELLED' });
    nth(0).end.resolve();
    await first;
    expect(await standing(closed)).toBe('open');
    nth(1).end.resolve();
    await Promise.all([second, closed]);
  });

  test('stops what is not done after its grace', async () => {
    const { turns, nth, jobs } = turnsByHand(1);
    const first = turns.request('a');
    const second = turns.request('b');
    nth(0).signal.addEventListener('abort', () => nth(0).end.reject(new Error('stopped')));
    const closed = turns.close(10);
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    await closed;
    expect(jobs()).toEqual(['a']);
  });
});
