/** One storm: a thousand events, and all that can happen to them and to those who read them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import { MAX_DELAY_SECONDS } from './consumer-under-test.ts';
import type { DeadLetter, QueuePeer, TestQueue } from './queue-peer.ts';
import { startConsumers } from './storm-consumers.ts';
import { type Line, openStormFolder, type StormFolder } from './storm-folder.ts';
import { type Act, KILLS, planStorm, type StormPlan } from './storm-plan.ts';
import { CONCURRENCY } from './storm-task.ts';

const CONSUMERS = 2;
const AWAY_MS = 10_000;
/** When the server goes: after so much of the first wave has been sent. */
const AWAY_AFTER = 0.5;
/** Keys are sent so many at a time, for speed alone. */
const BATCH = 10;
/** No message of a storm may become a dead letter for being received too often: each kill and each outage costs some receives. */
const MAX_RECEIVES = 50;
/** For each wave, on a busy machine: a server that hands messages to connections that are gone takes several leases to be empty. */
const WAVE_TIMEOUT_MS = 240_000;
const LOOK_MS = 200;
/** How much longer than any delay, and than twice any lease, nothing may be received before a queue that cannot be counted is empty. */
const QUIET_BEYOND_MS = 1_500;
/** A message may be handed to a connection that was cut, and wait for a second lease there. */
const QUIET_LEASES = 2;
const DRAIN_MS = 1_500;

export async function runStorm(peer: QueuePeer, seed: number): Promise<void> {
  const { leaseSeconds, storm } = peer.traits;
  const plan = planStorm(seed, storm);
  const path = mkdtempSync(join(tmpdir(), 'millrace-storm-'));
  const folder = openStormFolder(path);
  const queue = await peer.newQueue(MAX_RECEIVES);
  const consumers = startConsumers(CONSUMERS, { address: queue.address, leaseSeconds, folder: path, fates: plan.fates });
  const until = (assertion: () => Promise<void> | void) =>
    vi.waitFor(
      async () => {
        expect(consumers.failure()).toBeUndefined();
        await assertion();
      },
      { timeout: WAVE_TIMEOUT_MS, interval: LOOK_MS },
    );
  try {
    const awayAt = Math.floor(plan.firstWave.length * AWAY_AFTER);
    await perform(plan.firstWave.slice(0, awayAt), queue, folder);
    await peer.goAway();
    await sleep(AWAY_MS);
    await peer.comeBack();
    await perform(plan.firstWave.slice(awayAt), queue, folder);
    await until(() => expect(incomplete(folder.journal(), plan, plan.objectsPerJob - 1)).toEqual([]));
    await until(async () => expect((await queue.count()) ?? 0).toBe(0));

    await perform(plan.lastWave, queue, folder);
    await until(() => expect(incomplete(folder.journal(), plan, plan.objectsPerJob)).toEqual([]));
    await untilEmpty(queue, folder, leaseSeconds, until);
    expect(await consumers.stop()).toEqual(Array.from({ length: CONSUMERS }, () => 0));

    expect({ kills: consumers.kills(), fatesMet: folder.met() }).toEqual({ kills: KILLS, fatesMet: plan.fates.length });
    expect(await queue.drain(DRAIN_MS)).toEqual([]);
    const deadLetters: DeadLetter[] = [];
    // Some servers answer that there is nothing while there is something.
    await until(async () => {
      deadLetters.push(...(await queue.takeDeadLetters()));
      // A consumer that is killed between sending and acknowledging sends again.
      expect([...new Set(deadLetters.map(({ body }) => body))].sort()).toEqual([...plan.unreadable].sort());
    });
    expect(new Set(deadLetters.map(({ attributes }) => attributes['millrace-code']))).toEqual(new Set(['MESSAGE_NOT_JSON']));
    expectTurnsInOrder(folder.journal());
  } catch (thrown) {
    await consumers.kill();
    throw new Error(`the storm of seed ${seed} failed; its journal is in ${path}`, { cause: thrown });
  }
  rmSync(path, { recursive: true, force: true });
}

async function perform(acts: readonly Act[], queue: TestQueue, folder: StormFolder): Promise<void> {
  let keys: string[] = [];
  const flush = async () => {
    if (keys.length > 0) await queue.sendEvents(keys);
    keys = [];
  };
  for (const act of acts) {
    if (act.kind === 'write') folder.write(act.job, act.object);
    else if (act.kind === 'send') keys.push(`pipelines/${act.job}/inputs/${act.object}`);
    else await queue.sendTexts([act.text]);
    if (keys.length === BATCH) await flush();
  }
  await flush();
}

/** Jobs without a successful reconcile that saw at least so many objects when it began. */
function incomplete(journal: readonly Line[], { jobs }: StormPlan, objects: number): string[] {
  const enough = new Set(journal.flatMap((line) => (line.kind === 'began' && line.seen >= objects ? [line.turn] : [])));
  const complete = new Set(
    journal.flatMap((line) => (line.kind === 'ended' && line.succeeded && enough.has(line.turn) ? [line.job] : [])),
  );
  return jobs.filter((job) => !complete.has(job));
}

async function untilEmpty(
  queue: TestQueue,
  folder: StormFolder,
  leaseSeconds: number,
  until: (assertion: () => Promise<void> | void) => Promise<void>,
): Promise<void> {
  const quietMs = Math.max(leaseSeconds * QUIET_LEASES, MAX_DELAY_SECONDS) * 1000 + QUIET_BEYOND_MS;
  let lines = -1;
  // Counted in looks, not by the clock: where this process stood still, so did a server inside of it, and nobody could receive.
  let quietLooks = 0;
  await until(async () => {
    const count = await queue.count();
    if (count !== undefined) return expect(count).toBe(0);
    const length = folder.journal().length;
    quietLooks = length === lines ? quietLooks + 1 : 0;
    lines = length;
    expect(quietLooks * LOOK_MS).toBeGreaterThan(quietMs);
  });
}

/** Within one process: never more reconciles at once than allowed, and never two of one job. */
function expectTurnsInOrder(journal: readonly Line[]): void {
  const running = new Map<number, Map<string, string>>();
  for (const line of journal) {
    if (line.kind === 'received') continue;
    const turns = running.get(line.process) ?? new Map<string, string>();
    running.set(line.process, turns);
    if (line.kind === 'began') {
      expect([...turns.values()]).not.toContain(line.job);
      turns.set(line.turn, line.job);
      expect(turns.size).toBeLessThanOrEqual(CONCURRENCY);
    } else {
      turns.delete(line.turn);
    }
  }
}
