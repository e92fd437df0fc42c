/** One seeded world: a bucket, a queue, RunPod, consumers that die, and users who change their minds. */
import { readFileSync } from 'node:fs';
import { createJobTurns } from '../../consumers/job-turns.ts';
import { MillraceError } from '../../errors.ts';
import { silentLogger } from '../../log.ts';
import { Pipeline } from '../../manifests/pipeline.ts';
import type { RunRequest } from '../../pipeline/dispatcher.ts';
import { createFactStore } from '../../pipeline/facts.ts';
import { requireGraph } from '../../pipeline/graph.ts';
import { type JobPlanner, type PlannedJob, planJob } from '../../pipeline/job-plan.ts';
import { createLayout } from '../../pipeline/layout.ts';
import type { PlanSettings } from '../../pipeline/plan-types.ts';
import { type ReconcileReport, type Reconciler, reconcile } from '../../pipeline/reconcile.ts';
import { sweep } from '../../pipeline/sweep.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { createGpuCloud, type GpuCloud, itemsOf, type Troubles } from './gpu-cloud.ts';
import { BUCKET, createMemoryBucket, type MemoryBucket, type RequestKind } from './memory-bucket.ts';
import { createRandom, type Random } from './random.ts';
import { type Actor, createSchedule, type Schedule } from './schedule.ts';

const PIPELINE = new URL('../../manifests/built-in.pipeline.json', import.meta.url);
const START_MS = Date.UTC(2026, 0, 1);
const LAYOUT = createLayout();
const SETTINGS: PlanSettings = {
  maxSegments: 1000,
  maxManifestBytes: 1_000_000,
  jobPipelines: true,
  endpoints: ['speech-detection'],
  allowedUriPrefixes: [],
};
const GRAPH = requireGraph(Pipeline.parse(JSON.parse(readFileSync(PIPELINE, 'utf8'))));

/** What may go wrong beside RunPod, each as the chance of one effect or one event. */
export interface WorldTroubles {
  kill: number;
  /** A request hangs for a while, up to longer than any patience. */
  stall: number;
  /** The bucket answers 503; half of these requests were carried out. */
  storeError: number;
  /** An event of something that a worker or a consumer wrote is lost: the sweep must find out. */
  loseEvent: number;
  /** An event of something that a user wrote is lost: only an audit can find out. */
  loseUserEvent: number;
  doubleEvent: number;
}

export interface World {
  readonly random: Random;
  readonly schedule: Schedule;
  readonly bucket: MemoryBucket;
  readonly cloud: GpuCloud;
  readonly troubles: WorldTroubles;
  /** What happened, for whoever has to find out why. */
  readonly story: readonly string[];
  /** Rules that were broken while the world ran. */
  readonly violations: string[];
  /** Writes and deletes by consumers. */
  readonly writes: () => number;
  /** Events and messages that wait to be handled, and reconciles that run. */
  readonly unsettled: () => number;
  user(act: string, key: string, body: string | null): void;
  /** Enqueues one message for the job, as an audit does. */
  nudge(job: string): void;
  /** Says that a retry was asked for, and wakes the job. */
  tellRetry(job: string): void;
  startConsumers(count: number): void;
  /** A plan from the bucket as it lies there, in no time. */
  look(job: string): Promise<PlannedJob>;
  /** One reconcile by a consumer that nothing happens to, and that RunPod takes nothing from. */
  reconcileOnce(job: string): Promise<ReconcileReport>;
}

interface Consumer extends Actor {
  readonly turns: ReturnType<typeof createJobTurns>;
  readonly source: Reconciler;
  /** The step at which the running reconcile of a job began to look. */
  readonly lookedAt: Map<string, number>;
}

const SWEEP_EVERY_MS = 60_000;
/** SQS's visibility timeout, for messages whose consumer has died. */
const HIDDEN_MS = 120_000;
const RETRY_MS = 15_000;
const RESTART_MS = 20_000;
const PAGE_SIZE = 7;
/** Longer than every patience. */
const MAX_STALL_MS = 80 * 60_000;
const OBSERVER = 'observer';

export function createWorld(seed: number, cloudTroubles: Troubles, troubles: WorldTroubles): World {
  const random = createRandom(seed);
  const story: string[] = [];
  const violations: string[] = [];
  const consumers: Consumer[] = [];
  /** Messages that wait, are in flight, or hidden. */
  let unsettled = 0;
  let writes = 0;
  let userActs = false;
  /** Since which step every key has been what it is. */
  const changedAt = new Map<string, number>();
  const dispatched = new Set<string>();

  const isUntouched = ({ name, alive }: Actor): boolean => !alive || name === OBSERVER;
  const schedule = createSchedule({
    random,
    startMs: START_MS,
    fate: (actor) => {
      if (isUntouched(actor) || !random.chance(troubles.kill)) return 'done';
      return random.chance(0.5) ? 'killed-before' : 'killed-after';
    },
    stallMs: (actor) => (isUntouched(actor) || !random.chance(troubles.stall) ? 0 : random.between(1_000, MAX_STALL_MS)),
  });
  const tell = (line: string): void => {
    story.push(`${((schedule.now() - START_MS) / 1000).toFixed(1).padStart(8)} s  ${line}`);
  };
  const bucket = createMemoryBucket({ now: schedule.now, onChange });
  const cloud = createGpuCloud({ schedule, random, bucket, troubles: cloudTroubles, onRun, unasked, tell });

  function unasked(act: () => void): void {
    userActs = true;
    act();
    userActs = false;
  }

  function onChange(key: string): void {
    changedAt.set(key, schedule.step());
    const at = LAYOUT.jobOf(key);
    if (at === null || at === 'invalid' || at.key.startsWith('problems/')) return;
    if (random.chance(userActs ? troubles.loseUserEvent : troubles.loseEvent)) {
      tell(`the event of ${key} is lost`);
      return;
    }
    nudge(at.job);
    if (random.chance(troubles.doubleEvent)) nudge(at.job);
  }

  function nudge(job: string): void {
    unsettled += 1;
    deliver(job, random.between(50, 5_000));
  }

  function deliver(job: string, delayMs: number): void {
    schedule.after(delayMs, () => {
      const consumer = random.pick(consumers.filter(({ alive }) => alive));
      if (consumer === undefined) return deliver(job, RETRY_MS);
      let settled = false;
      schedule.after(HIDDEN_MS, () => {
        if (!settled) consumer.alive ? extend() : deliver(job, 0);
      });
      // A living consumer keeps its message hidden for as long as it works.
      const extend = (): void =>
        schedule.after(HIDDEN_MS, () => {
          if (!settled) consumer.alive ? extend() : deliver(job, 0);
        });
      consumer.turns.request(job).then(
        () => {
          settled = true;
          unsettled -= 1;
        },
        () => {
          settled = true;
          deliver(job, RETRY_MS);
        },
      );
    });
  }

  function onRun({ input, endpoint }: RunRequest, actor: Actor): void {
    const consumer = consumers.find((one) => one === actor);
    if (endpoint !== 'default') {
      tell(`${actor.name} asks ${endpoint} to work`);
      return;
    }
    for (const { millrace, output_put_url: url } of itemsOf(input)) {
      const { job, stage, item, fingerprint, attempt } = millrace;
      const id = `${job}/${stage}/${item}/${fingerprint.slice(0, 6)}.${attempt}`;
      tell(`${actor.name} asks RunPod for ${id}`);
      if (dispatched.has(id)) violations.push(`${id} was dispatched twice`);
      dispatched.add(id);
      const key = decodeURIComponent(new URL(url).pathname.slice(1));
      const mark = bucket.objects.get(key)?.metadata.fingerprint;
      const since = changedAt.get(key) ?? 0;
      if (mark === fingerprint && since < (consumer?.lookedAt.get(job) ?? 0)) {
        violations.push(`${id} was dispatched though its output was up to date when it was planned`);
      }
    }
  }

  const plannerFor = (store: ObjectStore): JobPlanner => ({
    store,
    layout: LAYOUT,
    graph: GRAPH,
    settings: SETTINGS,
    facts: createFactStore({ store, layout: LAYOUT }),
    now: schedule.now,
  });

  const WRITES: readonly RequestKind[] = ['put', 'create', 'delete'];

  function sourceFor(actor: Actor): Reconciler {
    const store = bucket.open(
      (kind, act) =>
        schedule.effect(actor, () => {
          const fails = random.chance(troubles.storeError);
          if (fails && random.chance(0.5)) throw unreachable();
          if (WRITES.includes(kind)) writes += 1;
          const answer = act();
          if (fails) throw unreachable();
          return answer;
        }),
      PAGE_SIZE,
    );
    return {
      ...plannerFor(store),
      storeFor: () => store,
      maxTtlSeconds: 604_800,
      dispatcher: cloud.dispatcher(actor),
      consumerId: actor.name,
      randomId: () => random.between(0, 2 ** 31).toString(36),
      log: silentLogger,
    };
  }

  function startConsumer(name: string, life: number): void {
    const lookedAt = new Map<string, number>();
    const actor = { name: `${name}.${life}`, alive: true };
    const source = sourceFor(actor);
    const turns = createJobTurns({
      concurrency: 4,
      log: silentLogger,
      reconcile: async (job, signal) => {
        lookedAt.set(job, schedule.step());
        await reconcile({ ...source }, job, signal);
      },
    });
    const consumer: Consumer = Object.assign(actor, { turns, source, lookedAt });
    consumers.push(consumer);
    tell(`${consumer.name} starts`);
    const tick = (): void => {
      if (!consumer.alive) {
        consumers.splice(consumers.indexOf(consumer), 1);
        tell(`${consumer.name} is dead`);
        schedule.after(random.between(0, RESTART_MS), () => startConsumer(name, life + 1));
        return;
      }
      let over = false;
      sweep({ ...source, wake: (job) => turns.request(job) }).then(
        () => {
          over = true;
        },
        () => {
          over = true;
        },
      );
      const again = (): void => {
        if (over || !consumer.alive) tick();
        else schedule.after(SWEEP_EVERY_MS, again);
      };
      schedule.after(SWEEP_EVERY_MS, again);
    };
    schedule.after(random.between(0, SWEEP_EVERY_MS), tick);
  }

  const observed = bucket.open(async (kind, act) => {
    if (WRITES.includes(kind)) writes += 1;
    return act();
  });
  const observer: Reconciler = {
    ...sourceFor({ name: OBSERVER, alive: true }),
    ...plannerFor(observed),
    storeFor: () => observed,
    maxTtlSeconds: 604_800,
    dispatcher: {
      run: async () => ({ kind: 'refused', error: new MillraceError('RUN_REFUSED', 'The observer asks for nothing.') }),
      status: async () => ({ kind: 'unknown' }),
      cancel: async () => {},
    },
  };

  return {
    random,
    schedule,
    bucket,
    cloud,
    troubles,
    story,
    violations,
    writes: () => writes,
    unsettled: () => unsettled,
    nudge,
    tellRetry(job) {
      tell(`a user asks for a retry (${job})`);
      nudge(job);
    },
    user(act, key, body) {
      tell(`a user ${act}`);
      unasked(() => (body === null ? bucket.delete(key) : bucket.put(key, body)));
    },
    startConsumers(count) {
      for (let index = 0; index < count; index += 1) startConsumer(`consumer-${index}`, 1);
    },
    look: (job) => planJob({ ...observer, facts: createFactStore({ store: observed, layout: LAYOUT }) }, job),
    reconcileOnce: (job) => reconcile(observer, job),
  };
}

function unreachable(): MillraceError {
  return new MillraceError('STORE_UNREACHABLE', `${BUCKET} answered 503`);
}

export { LAYOUT };
