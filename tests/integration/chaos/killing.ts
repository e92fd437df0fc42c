/** Kills processes at random and starts them again, as an out-of-memory killer and its supervisor would. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../simulation/random.ts';

export interface Victim {
  readonly kind: string;
  /** Starts it; `kill` sends SIGKILL and resolves when it is gone. */
  start(): Started;
}

export interface Started {
  /** Resolves once it can do what it is for. */
  readonly ready: Promise<unknown>;
  kill(): Promise<unknown>;
}

/** How many of each kind of process. */
export type Kills = Readonly<Record<string, number>>;

const BETWEEN_KILLS_MS = { least: 100, most: 2_500 };
const DOWN_MS = { least: 50, most: 1_500 };
/** Most are let come up first, however slow the machine: who is always killed at its start does nothing that could go wrong. */
const KILLED_WHILE_STARTING = 0.15;

/** Resolves when the time is over and every process runs again. `running` is kept up to date. */
export async function killAtRandom(
  running: Map<Victim, Started>,
  { random, forMs }: { readonly random: Random; readonly forMs: number },
): Promise<Kills> {
  const kills: Record<string, number> = {};
  const restarts = new Set<Promise<void>>();
  const restart = async (victim: Victim, downMs: number): Promise<void> => {
    await sleep(downMs);
    const started = victim.start();
    running.set(victim, started);
    watch(started);
  };
  const ready = new WeakSet<Started>();
  const watch = (started: Started) =>
    void started.ready.then(
      () => ready.add(started),
      // Killed before.
      () => {},
    );
  for (const started of running.values()) watch(started);
  const endMs = Date.now() + forMs;
  while (Date.now() < endMs) {
    await sleep(random.between(BETWEEN_KILLS_MS.least, BETWEEN_KILLS_MS.most));
    const startingToo = random.chance(KILLED_WHILE_STARTING);
    const [victim, doomed] = random.pick([...running].filter(([, started]) => startingToo || ready.has(started))) ?? [];
    if (victim === undefined || doomed === undefined) continue;
    running.delete(victim);
    await doomed.kill();
    kills[victim.kind] = (kills[victim.kind] ?? 0) + 1;
    const restarting = restart(victim, random.between(DOWN_MS.least, DOWN_MS.most)).finally(() => restarts.delete(restarting));
    restarts.add(restarting);
  }
  await Promise.all(restarts);
  return kills;
}
