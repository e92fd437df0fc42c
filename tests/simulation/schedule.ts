/**
 * The world's clock and the order in which its actors act. Every effect of a program under test (a request to the bucket, a
 * call to RunPod) waits here for its turn; turns are given one at a time, in an order that the seed decides.
 */
import { setImmediate as settled } from 'node:timers/promises';
import { type Alarm, createAlarms } from './alarms.ts';
import type { Random } from './random.ts';

interface Effect {
  readonly actor: Actor;
  readonly act: () => void;
}

/** A process that can be killed: what it was waiting for never comes, and its promises are left behind. */
export interface Actor {
  readonly name: string;
  alive: boolean;
}

export interface Schedule {
  readonly now: () => number;
  /** How many turns there have been: orders what happens within one millisecond. */
  readonly step: () => number;
  /**
   * Runs `act` when the actor's turn comes. An error thrown by it is the effect's answer. Aborting answers at once, with the signal's
   * reason; what was sent may still be carried out.
   */
  effect<T>(actor: Actor, act: () => T, signal?: AbortSignal): Promise<T>;
  /** Runs `act` after so long; it must not wait for anything. */
  after(delayMs: number, act: () => void): void;
  /** Runs the world until `until` says so or the clock has passed `limitMs`; false in the second case. */
  run(until: () => boolean, limitMs: number): Promise<boolean>;
}

/** Decides what a turn becomes: `done`, or an actor killed before its effect or right after it. */
export type Fate = 'done' | 'killed-before' | 'killed-after';

/** How long an effect hangs on its way there, and how long its answer hangs on its way back. */
export interface Stall {
  readonly thereMs: number;
  readonly backMs: number;
}

const MAX_EFFECT_MS = 40;
/** A schedule that gives so many turns has an endless loop in it. */
const MAX_STEPS = 400_000;

export interface ScheduleOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly fate: (actor: Actor) => Fate;
  /** A frozen machine, a slow connection. */
  readonly stall: (actor: Actor) => Stall;
}

export function createSchedule({ random, startMs, fate, stall }: ScheduleOptions): Schedule {
  const effects: Effect[] = [];
  const alarms = createAlarms();
  let nowMs = startMs;
  let steps = 0;

  function ring(alarm: Alarm): void {
    nowMs = Math.max(nowMs, alarm.atMs);
    alarm.act();
  }

  function giveTurn(): void {
    const index = random.between(0, effects.length - 1);
    const [effect] = effects.splice(index, 1);
    nowMs += random.between(1, MAX_EFFECT_MS);
    if (effect === undefined || !effect.actor.alive) return;
    const end = fate(effect.actor);
    if (end !== 'done') effect.actor.alive = false;
    if (end !== 'killed-before') effect.act();
  }

  const after = (delayMs: number, act: () => void): void => alarms.add(nowMs + delayMs, act);

  function effect<T>(actor: Actor, act: () => T, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const { thereMs, backMs } = stall(actor);
      let state: 'sent' | 'answered' | 'given-up' | 'withdrawn' = 'sent';
      const giveUp = (): void => {
        if (state === 'answered') return;
        state = random.chance(0.5) ? 'given-up' : 'withdrawn';
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      const answer = (give: () => void): void => {
        const arrive = (): void => {
          if (state !== 'sent' || !actor.alive) return;
          state = 'answered';
          signal?.removeEventListener('abort', giveUp);
          give();
        };
        if (backMs === 0) arrive();
        else after(backMs, arrive);
      };
      const turn: Effect = {
        actor,
        act() {
          if (state === 'withdrawn') return;
          try {
            const value = act();
            answer(() => resolve(value));
          } catch (thrown) {
            answer(() => reject(thrown));
          }
        },
      };
      if (thereMs === 0) effects.push(turn);
      else after(thereMs, () => effects.push(turn));
    });
  }

  return {
    now: () => nowMs,
    step: () => steps,
    effect,
    after,
    async run(until, limitMs) {
      while (nowMs < limitMs) {
        // Everything that can go on without an effect has gone on when this resolves: no program here does real I/O.
        await settled();
        if (until()) return true;
        steps += 1;
        if (steps > MAX_STEPS) return false;
        const alarm = alarms.next();
        if (alarm !== undefined && (effects.length === 0 || alarm.atMs <= nowMs)) ring(alarms.take() ?? alarm);
        else if (effects.length > 0) giveTurn();
        else return until();
      }
      return until();
    },
  };
}
