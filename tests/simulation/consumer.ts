/** One life of one consumer: production's own handler, turns, reconcile and sweep, until it dies or is told to stop. */
import { createJobTurns } from '../../consumers/job-turns.ts';
import { createMessageHandler } from '../../consumers/message-handler.ts';
import { parseNotification } from '../../consumers/notifications/notification.ts';
import type { QueueMessage } from '../../consumers/queue-message.ts';
import type { Outcome } from '../../consumers/settle.ts';
import type { MillraceError } from '../../errors.ts';
import { silentLogger } from '../../log.ts';
import { createFactStore } from '../../pipeline/facts.ts';
import { type Reconciler, reconcile } from '../../pipeline/reconcile.ts';
import { sweep } from '../../pipeline/sweep.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { GpuCloud } from './gpu-cloud.ts';
import { BUCKET } from './memory-bucket.ts';
import type { Receipt, Receiver } from './queue.ts';
import type { Random } from './random.ts';
import type { Actor, Schedule } from './schedule.ts';
import {
  CONCURRENT_JOBS,
  type Deployment,
  GRAPH,
  LAYOUT,
  MAX_TTL_SECONDS,
  PLAN_SETTINGS,
  SECOND_MS,
  SWEEP_EVERY_MS,
  type Troubles,
} from './settings.ts';

export interface Consumer extends Actor, Receiver {
  /** False while it is told to receive nothing. */
  readonly isReceiving: () => boolean;
  /** Nothing is being reconciled, and nothing waits for it. */
  readonly isIdle: () => boolean;
  /** The step at which the running reconcile of a job began to look. */
  readonly lookedAt: ReadonlyMap<string, number>;
}

export interface ConsumerOptions {
  readonly name: string;
  readonly schedule: Schedule;
  readonly random: Random;
  readonly troubles: Troubles;
  readonly deployment: Deployment;
  readonly store: (actor: Actor) => ObjectStore;
  readonly cloud: GpuCloud;
  /** Hears of rules that this consumer broke. */
  readonly violation: (what: string) => void;
  readonly tell: (line: string) => void;
  /** Its end, however it came. */
  readonly onEnd: () => void;
}

const MAX_PAUSE_MS = 60 * SECOND_MS;
/** How long work may go on after a stop, and then how long the process takes to end. */
const MAX_GRACE_MS = 25 * SECOND_MS;
const EXIT_MS = 3 * SECOND_MS;

export function startConsumer(options: ConsumerOptions): Consumer {
  const { name, schedule, random, troubles, violation, tell } = options;
  const actor: Actor = { name, alive: true };
  const source = reconcilerOf(actor, options);
  const lookedAt = new Map<string, number>();
  /** When the last reconcile of a job that succeeded had begun. */
  const lookedWell = new Map<string, number>();
  const stopping = new AbortController();
  let isStopping = false;
  let isPaused = false;

  const turns = createJobTurns({
    concurrency: CONCURRENT_JOBS,
    log: silentLogger,
    reconcile: async (job, signal) => {
      const began = schedule.step();
      lookedAt.set(job, began);
      const { wake } = await reconcile(source, job, signal);
      if (options.deployment.wakesWaiters) for (const waiter of wake) turns.request(waiter, stopping.signal).catch(() => {});
      lookedWell.set(job, Math.max(began, lookedWell.get(job) ?? 0));
    },
  });
  const handle = createMessageHandler({
    bucket: BUCKET,
    pipelinesPrefix: LAYOUT.pipelinesPrefix,
    parse: parseNotification,
    turns,
    log: silentLogger,
    onFailure: ({ code }: MillraceError) => {
      if (code === 'STORE_UNREACHABLE' && !isPaused) pause();
    },
    random: random.next,
  });

  /** As the bucket watch does: every other message would fail in the same way, until a probe succeeds. */
  function pause(): void {
    isPaused = true;
    schedule.after(random.between(SECOND_MS, MAX_PAUSE_MS), () => {
      source.store.head(`${LAYOUT.proofPrefix}probe`).then(() => {
        isPaused = false;
      }, pause);
    });
  }

  async function settle(message: QueueMessage, outcome: Outcome, receipt: Receipt, receivedAt: number): Promise<void> {
    if (!actor.alive || receipt.isLost()) return;
    receipt.stopExtending();
    if (outcome.kind === 'retry') {
      return schedule.effect(actor, () => receipt.hide(isStopping ? 0 : outcome.delaySeconds * SECOND_MS));
    }
    if (outcome.kind === 'dead-letter') violation(`${name} calls ${message.id} unreadable: ${outcome.error.message}`);
    const parsed = parseNotification(message);
    for (const event of parsed.kind === 'events' ? parsed.events : []) {
      const at = LAYOUT.jobOf(event.key);
      if (at === null || at === 'invalid' || at.key.startsWith('problems/')) continue;
      if ((lookedWell.get(at.job) ?? -1) < receivedAt) {
        violation(`${name} acknowledges ${message.id} before ${at.job} has been reconciled for it`);
      }
    }
    await schedule.effect(actor, () => {
      if (!random.chance(troubles.loseAck)) receipt.delete();
    });
  }

  function tick(): void {
    if (!actor.alive) {
      tell(`${name} is dead`);
      options.onEnd();
      return;
    }
    if (random.chance(troubles.restart)) stop();
    let isOver = false;
    const { signal } = stopping;
    sweep({ ...source, auditMinutes: options.deployment.auditMinutes, wake: (job) => turns.request(job, signal) }, signal)
      .catch(() => {})
      .finally(() => {
        isOver = true;
      });
    const again = (): void => (isOver || !actor.alive ? tick() : schedule.after(SWEEP_EVERY_MS, again));
    schedule.after(SWEEP_EVERY_MS, again);
  }

  function stop(): void {
    isStopping = true;
    tell(`${name} is told to stop`);
    schedule.after(random.between(0, MAX_GRACE_MS), () => {
      stopping.abort(new Error('the consumer stops'));
      schedule.after(EXIT_MS, () => {
        actor.alive = false;
      });
    });
  }

  tell(`${name} starts`);
  schedule.after(random.between(0, SWEEP_EVERY_MS), tick);
  return Object.assign(actor, {
    lookedAt,
    isAlive: () => actor.alive,
    isIdle: () => {
      const { running, waiting } = turns.status();
      return !actor.alive || running + waiting === 0;
    },
    isReceiving: () => actor.alive && !isStopping && !isPaused,
    take(message: QueueMessage, receipt: Receipt, lost: AbortSignal) {
      const receivedAt = schedule.step();
      handle(message, AbortSignal.any([lost, stopping.signal]))
        .then((outcome) => settle(message, outcome, receipt, receivedAt))
        .catch((thrown) => violation(`${name} throws while it handles ${message.id}: ${String(thrown)}`));
    },
  });
}

/** What production's consumer process puts together in cli/deployment.ts. */
export function reconcilerOf(
  actor: Actor,
  {
    store: open,
    schedule,
    random,
    cloud,
    deployment,
  }: Pick<ConsumerOptions, 'store' | 'schedule' | 'random' | 'cloud' | 'deployment'>,
): Reconciler {
  const store = open(actor);
  return {
    store,
    storeFor: () => store,
    layout: LAYOUT,
    graph: GRAPH,
    settings: PLAN_SETTINGS,
    facts: createFactStore({ store, layout: LAYOUT }),
    now: schedule.now,
    maxTtlSeconds: MAX_TTL_SECONDS,
    maxRunsInFlight: deployment.maxRunsInFlight,
    dispatcher: cloud.dispatcher(actor),
    consumerId: actor.name,
    randomId: () => random.between(0, 2 ** 31).toString(36),
    log: silentLogger,
  };
}
