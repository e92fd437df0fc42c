/** One seeded world: a bucket, a queue, RunPod, and consumers that die. */
import { MillraceError } from '../../errors.ts';
import { silentLogger } from '../../log.ts';
import { createFactStore } from '../../pipeline/facts.ts';
import { type PlannedJob, planJob } from '../../pipeline/job-plan.ts';
import { type ReconcileReport, type Reconciler, reconcile } from '../../pipeline/reconcile.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { type Consumer, reconcilerOf, startConsumer } from './consumer.ts';
import { createGpuCloud, type GpuCloud } from './gpu-cloud.ts';
import { BUCKET, type Change, createMemoryBucket, type MemoryBucket, type RequestKind } from './memory-bucket.ts';
import { createQueue, type Queue } from './queue.ts';
import type { Random } from './random.ts';
import { type Actor, createSchedule, type Schedule } from './schedule.ts';
import {
  type Deployment,
  LAYOUT,
  MAX_LAG_MS,
  MAX_STALL_MS,
  MINUTE_MS,
  PAGE_SIZE,
  SECOND_MS,
  START_MS,
  type Troubles,
} from './settings.ts';
import { createWatch, type Watch } from './watch.ts';

export interface World {
  readonly random: Random;
  readonly schedule: Schedule;
  readonly bucket: MemoryBucket;
  readonly queue: Queue;
  readonly cloud: GpuCloud;
  readonly watch: Watch;
  /** What happened, for whoever has to find out why. */
  readonly story: readonly string[];
  tell(line: string): void;
  /** Writes and deletes by consumers. */
  readonly writes: () => number;
  /** Sends an event for the job, as an audit does. */
  nudge(job: string): void;
  startConsumers(): void;
  /** No consumer is at work. */
  readonly isIdle: () => boolean;
  /** A plan from the bucket as it lies there, in no time. */
  look(job: string): Promise<PlannedJob>;
  /** One reconcile by a consumer that nothing happens to, and that RunPod takes nothing from. */
  reconcileOnce(job: string): Promise<ReconcileReport>;
}

export interface WorldOptions {
  readonly random: Random;
  /** May change while the world runs. */
  readonly troubles: Troubles;
  readonly deployment: Deployment;
  readonly jobs: readonly string[];
}

const MAX_RESTART_MS = 20 * SECOND_MS;
const OBSERVER = 'observer';
const WRITES: readonly RequestKind[] = ['put', 'create', 'delete'];
const NO_STALL = { thereMs: 0, backMs: 0 };
const MAX_OUTAGE_MS = 5 * MINUTE_MS;

export function createWorld({ random, troubles, deployment, jobs }: WorldOptions): World {
  const story: string[] = [];
  const consumers: Consumer[] = [];
  let writes = 0;
  let events = 0;
  let awayUntilMs = 0;

  const isUntouched = ({ name, alive }: Actor): boolean => !alive || name === OBSERVER;
  const schedule = createSchedule({
    random,
    startMs: START_MS,
    fate: (actor) => {
      if (isUntouched(actor) || !random.chance(troubles.kill)) return 'done';
      return random.chance(0.5) ? 'killed-before' : 'killed-after';
    },
    stall: (actor) => {
      if (isUntouched(actor)) return NO_STALL;
      const isStall = random.chance(troubles.stall);
      if (!isStall && !random.chance(troubles.lag)) return NO_STALL;
      const ms = random.between(SECOND_MS, !isStall ? MAX_LAG_MS : random.chance(0.5) ? MINUTE_MS : MAX_STALL_MS);
      return random.chance(0.5) ? { thereMs: ms, backMs: 0 } : { thereMs: 0, backMs: ms };
    },
  });
  const tell = (line: string): void => {
    story.push(`${((schedule.now() - START_MS) / 1000).toFixed(1).padStart(8)} s  ${line}`);
  };
  const watch = createWatch({
    bucket: () => bucket,
    step: schedule.step,
    now: schedule.now,
    // A consumer that hangs between a slot and its claim is taken for dead after a while.
    ceiling: troubles.stall > 0 ? 0 : deployment.maxRunsInFlight,
    jobs,
  });
  const bucket = createMemoryBucket({ now: schedule.now, onChange });
  const queue = createQueue({
    ...{ schedule, random, troubles, tell },
    receiver: () => random.pick(consumers.filter((consumer) => consumer.isReceiving())),
  });
  const cloud = createGpuCloud({
    ...{ schedule, random, bucket, troubles, tell },
    onRun: (request, actor) => {
      const lookedAt = consumers.find((consumer) => consumer === actor)?.lookedAt;
      const asker = { name: actor.name, lookedAt: (job: string) => lookedAt?.get(job) ?? 0 };
      watch.asked(request, asker);
      tell(`${actor.name} asks RunPod for ${watch.lastAsked()}`);
    },
    onRefused: (request) => {
      watch.refused(request);
      tell('RunPod refuses');
    },
  });

  function onChange(change: Change): void {
    const { key, after, author } = change;
    watch.changed(change);
    if (typeof author !== 'string') tell(`${author.consumer} ${after === undefined ? 'clears' : 'writes'} ${key}`);
    if (!key.startsWith(`${LAYOUT.pipelinesPrefix}/`)) return;
    if (random.chance(lossOf(change))) tell(`the event of ${key} is lost`);
    else sendEvent(key, after === undefined);
  }

  function lossOf({ after, author }: Change): number {
    if (author !== 'user') return troubles.loseEvent;
    return after === undefined ? 0 : troubles.loseUserEvent;
  }

  /** As S3 writes it. */
  function sendEvent(key: string, isRemoved: boolean): void {
    events += 1;
    const record = {
      ...{ eventVersion: '2.1', eventSource: 'aws:s3', eventTime: new Date(schedule.now()).toISOString() },
      eventName: isRemoved ? 'ObjectRemoved:Delete' : 'ObjectCreated:Put',
      s3: {
        bucket: { name: BUCKET },
        object: { key: encodeURIComponent(key), sequencer: events.toString(16).padStart(16, '0') },
      },
    };
    queue.send(JSON.stringify({ Records: [record] }));
  }

  function storeOf(actor: Actor): ObjectStore {
    return bucket.open(
      (kind, act, signal) =>
        schedule.effect(
          actor,
          () => {
            if (troubles.storeOutage > 0 && schedule.now() < awayUntilMs) throw unreachable();
            const fails = random.chance(troubles.storeError);
            if (fails && random.chance(0.5)) throw unreachable();
            if (WRITES.includes(kind)) writes += 1;
            const answer = act();
            if (fails) throw unreachable();
            return answer;
          },
          signal,
        ),
      PAGE_SIZE,
      { consumer: actor.name },
    );
  }

  /** The bucket is away now and then. */
  function watchWeather(): void {
    schedule.after(MINUTE_MS, () => {
      if (random.chance(troubles.storeOutage)) {
        awayUntilMs = schedule.now() + random.between(SECOND_MS, MAX_OUTAGE_MS);
        tell(`the bucket is away for ${Math.round((awayUntilMs - schedule.now()) / SECOND_MS)} s`);
      }
      watchWeather();
    });
  }

  function start(number: number, life: number): void {
    const consumer = startConsumer({
      ...{ name: `consumer-${number}.${life}`, schedule, random, troubles, deployment, cloud, tell },
      store: storeOf,
      violation: watch.add,
      onEnd: () => {
        consumers.splice(consumers.indexOf(consumer), 1);
        schedule.after(random.between(0, MAX_RESTART_MS), () => start(number, life + 1));
      },
    });
    consumers.push(consumer);
  }

  const observed = bucket.open(
    async (kind, act) => {
      if (WRITES.includes(kind)) writes += 1;
      return act();
    },
    undefined,
    { consumer: OBSERVER },
  );
  const observer: Reconciler = {
    ...reconcilerOf({ name: OBSERVER, alive: true }, { store: () => observed, schedule, random, cloud, deployment }),
    log: silentLogger,
    dispatcher: {
      run: async () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', 'The observer asks for nothing.') }),
      status: async () => ({ kind: 'unknown' }),
      cancel: async () => {},
      health: async () => {
        throw new MillraceError('RUN_REFUSED', 'The observer asks for nothing.');
      },
    },
  };

  watchWeather();
  return {
    ...{ random, schedule, bucket, queue, cloud, watch, story, tell },
    writes: () => writes,
    isIdle: () => consumers.every((consumer) => consumer.isIdle()),
    nudge: (job) => sendEvent(LAYOUT.jobKey(job, 'pipeline.json'), false),
    startConsumers() {
      for (let number = 0; number < deployment.consumers; number += 1) start(number, 1);
    },
    look: (job) => planJob({ ...observer, facts: createFactStore({ store: observed, layout: LAYOUT }) }, job),
    reconcileOnce: (job) => reconcile(observer, job),
  };
}

function unreachable(): MillraceError {
  return new MillraceError('STORE_UNREACHABLE', `${BUCKET} answered 503`);
}
