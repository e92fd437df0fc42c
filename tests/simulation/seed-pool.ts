/** Lives through many seeds with several processes. */
import { type ChildProcess, fork } from 'node:child_process';
import type { SeedEnd, SeedRange } from './seed-runner.ts';

export interface SeedPoolOptions {
  /** Of seed-runner.ts: another tree's may be another program. */
  readonly runner: string;
  readonly from: number;
  readonly seeds: number;
  readonly processes: number;
  /** False ends it all. */
  readonly onEnd: (end: SeedEnd) => boolean;
}

/** What one process is given at a time. */
const SEEDS_AT_ONCE = 10;
/** A world lasts a fraction of a second; one that takes so long will not end. */
const SEED_LIMIT_MS = 60_000;

/** Resolves when every seed has ended, or `onEnd` has said that it is enough. */
export async function runSeeds({ runner, from, seeds, processes, onEnd }: SeedPoolOptions): Promise<void> {
  const last = from + seeds - 1;
  let next = from;
  let isOver = false;
  const take = (): SeedRange | undefined => {
    if (isOver || next > last) return undefined;
    const range = { from: next, to: Math.min(next + SEEDS_AT_ONCE - 1, last) };
    next = range.to + 1;
    return range;
  };
  const report = (end: SeedEnd): boolean => {
    if (!isOver && !onEnd(end)) isOver = true;
    return !isOver;
  };
  await Promise.all(Array.from({ length: processes }, () => runOne(runner, take, report)));
}

async function runOne(runner: string, take: () => SeedRange | undefined, report: (end: SeedEnd) => boolean): Promise<void> {
  for (let range = take(); range !== undefined; ) {
    const child = fork(runner, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const left = await livesThrough(child, range, take, report);
    range = left ?? take();
  }
}

/** Uses the child for as long as it lives; what is left of a range when a seed has killed it. */
function livesThrough(
  child: ChildProcess,
  first: SeedRange,
  take: () => SeedRange | undefined,
  report: (end: SeedEnd) => boolean,
): Promise<SeedRange | undefined> {
  return new Promise((resolve) => {
    let range: SeedRange | undefined = first;
    let seed = first.from;
    let isStopped = false;
    let words = '';
    child.stderr?.on('data', (chunk) => {
      words = `${words}${chunk}`.slice(-2_000);
    });
    const watchdog = setInterval(() => {
      words = `it does not end within ${SEED_LIMIT_MS / 1000} s`;
      child.kill('SIGKILL');
    }, SEED_LIMIT_MS);
    const stop = (): void => {
      isStopped = true;
      child.kill('SIGKILL');
    };
    child.on('message', (end: SeedEnd) => {
      watchdog.refresh();
      if (isStopped) return;
      seed = end.seed + 1;
      if (!report(end)) return stop();
      if (range === undefined || end.seed < range.to) return;
      range = take();
      if (range === undefined) return stop();
      seed = range.from;
      child.send(range);
    });
    child.on('exit', () => {
      clearInterval(watchdog);
      if (isStopped || range === undefined) return resolve(undefined);
      const goesOn = report({ seed, faults: [`the process ends: ${words.trim()}`], settledAfterMs: 0, steps: 0 });
      resolve(goesOn && seed < range.to ? { from: seed + 1, to: range.to } : undefined);
    });
    child.send(first);
  });
}
