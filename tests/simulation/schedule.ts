/**
 * The world's clock and the order in which its actors act. Every effect of a program under test (a request to the bucket, a
 * call to RunPod) waits here for its turn; turns are given one at a time, in an order that the seed decides.
 */
import { setImmediate as settled } from 'node:timers/promises';
import type { Random } from './random.ts';

interface Effect {
  readonly actor: Actor;
  readonly act: () => void;
}

interface Alarm {
  readonly atMs: number;
  readonly act: () => void;
}

/** A process that can be killed: what it was waiting for never comes, and its promises are left behind. */
export interface Actor {
  readonly name: string;
  alive: boolean;
}

export interface Schedule {
  readonly now: () => number;
  /** How many effects there have been: orders what happens within one millisecond. */
  readonly step: () => number;
  /** Runs `act` when the actor's turn comes. An error thrown by it is the effect's answer. */
  effect<T>(actor: Actor, act: () => T): Promise<T>;
  /** Runs `act` after so long; it must not wait for anything. */
  after(delayMs: number, act: () => void): void;
  /** Runs the world until `until` says so or the clock has passed `limitMs`; false in the second case. */
  run(until: () => boolean, limitMs: number): Promise<boolean>;
}

/** Decides what a turn becomes: `done`, or an actor killed before its effect or right after it. */
export type Fate = 'done' | 'killed-before' | 'killed-after';

const MAX_EFFECT_MS = 40;
/** A schedule that gives so many turns has an endless loop in it. */
const MAX_STEPS = 400_000;

export interface ScheduleOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly fate: (actor: Actor) => Fate;
  /** How long an effect hangs before its turn can come: a frozen machine, a slow connection. */
  readonly stallMs: (actor: Actor) => number;
}

export function createSchedule({ random, startMs, fate, stallMs }: ScheduleOptions): Schedule {
  const effects: Effect[] = [];
  const alarms: Alarm[] = [];
  let nowMs = startMs;
  let steps = 0;

  function nextAlarm(): Alarm | undefined {
    return alarms.reduce<Alarm | undefined>(
      (first, alarm) => (first === undefined || alarm.atMs < first.atMs ? alarm : first),
      undefined,
    );
  }

  function ring(alarm: Alarm): void {
    alarms.splice(alarms.indexOf(alarm), 1);
    nowMs = Math.max(nowMs, alarm.atMs);
    alarm.act();
  }

  function give(effect: Effect): void {
    effects.splice(effects.indexOf(effect), 1);
    nowMs += random.between(1, MAX_EFFECT_MS);
    if (!effect.actor.alive) return;
    const end = fate(effect.actor);
    if (end !== 'done') effect.actor.alive = false;
    if (end !== 'killed-before') effect.act();
  }

  const after = (delayMs: number, act: () => void): void => {
    alarms.push({ atMs: nowMs + delayMs, act });
  };

  return {
    now: () => nowMs,
    step: () => steps,
    effect: (actor, act) =>
      new Promise((resolve, reject) => {
        const effect: Effect = {
          actor,
          act: () => {
            try {
              const answer = act();
              if (actor.alive) resolve(answer);
            } catch (thrown) {
              if (actor.alive) reject(thrown);
            }
          },
        };
        const hangsMs = stallMs(actor);
        if (hangsMs === 0) effects.push(effect);
        else after(hangsMs, () => effects.push(effect));
      }),
    after,
    async run(until, limitMs) {
      while (nowMs < limitMs) {
        // Everything that can go on without an effect has gone on when this resolves: no program here does real I/O.
        await settled();
        if (until()) return true;
        steps += 1;
        if (steps > MAX_STEPS) return false;
        const alarm = nextAlarm();
        const effect = random.pick(effects);
        if (alarm !== undefined && (effect === undefined || alarm.atMs <= nowMs)) ring(alarm);
        else if (effect !== undefined) give(effect);
        else return until();
      }
      return until();
    },
  };
}
