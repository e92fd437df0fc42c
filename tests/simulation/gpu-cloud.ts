/** RunPod, seen from outside: slow, forgetful, late, and given to doing things twice. */
import { MillraceError } from '../../errors.ts';
import type { Dispatcher, DispatchOutcome, EndpointHealth, RunRequest, RunStatus } from '../../pipeline/dispatcher.ts';
import { presignedKey } from './memory-bucket.ts';
import { itemsOf } from './run-input.ts';
import type { Actor } from './schedule.ts';
import { MINUTE_MS, SECOND_MS } from './settings.ts';
import { carryOut, type WorkerEnd, type WorkerWorld } from './worker.ts';

interface Job {
  readonly id: string;
  readonly request: RunRequest;
  readonly acceptedMs: number;
  status: RunStatus;
  isLost: boolean;
  endedMs: number | null;
}

export interface GpuCloud {
  dispatcher(actor: Actor): Dispatcher;
  /** Carryings out that are under way, or still to come. */
  busy(): number;
  /** True while a run that will write this key is under way, or still to come. */
  isWriting(key: string): boolean;
}

export interface GpuCloudOptions extends WorkerWorld {
  /** Hears of every run that RunPod is asked for, accepted or not. */
  readonly onRun: (request: RunRequest, actor: Actor) => void;
  /** Hears of every run that RunPod refused. */
  readonly onRefused: (request: RunRequest) => void;
}

/** RunPod keeps results for thirty minutes. */
const REMEMBERED_MS = 30 * MINUTE_MS;
/** The client's own patience with an answer. */
const ANSWER_TIMEOUT_MS = 30 * SECOND_MS;
const MAX_LATE_ACCEPT_MS = 20 * MINUTE_MS;
const MAX_QUEUED_MS = MINUTE_MS;
const MAX_SLOWLY_QUEUED_MS = 50 * MINUTE_MS;
const MAX_REPEAT_MS = 15 * MINUTE_MS;
/** How old a status may be. */
const STALE_MS = 2 * MINUTE_MS;
/** How long a worker may go on after its run was cancelled. */
const STOP_LAG_MS = 10 * SECOND_MS;

export function createGpuCloud(world: GpuCloudOptions): GpuCloud {
  const { schedule, random, troubles, onRun, onRefused, tell } = world;
  const jobs = new Map<string, Job>();
  let busy = 0;
  const writing = new Map<string, number>();

  function accept(request: RunRequest): Job {
    const job: Job = {
      id: `run-${jobs.size + 1}`,
      request,
      acceptedMs: schedule.now(),
      status: { kind: 'queued' },
      isLost: false,
      endedMs: null,
    };
    jobs.set(job.id, job);
    const isSlow = random.chance(troubles.queueSlowly);
    later(request, random.between(100, isSlow ? MAX_SLOWLY_QUEUED_MS : MAX_QUEUED_MS), (done) => start(job, done));
    if (random.chance(troubles.repeat)) {
      later(request, random.between(SECOND_MS, random.chance(0.5) ? MINUTE_MS : MAX_REPEAT_MS), (done) => {
        carryOut(world, { name: `${job.id} again`, request, isStopped: () => false, onEnd: done });
      });
    }
    return job;
  }

  /** Something that is under way from now until it calls `done`. */
  function later(request: RunRequest, delayMs: number, act: (done: () => void) => void): void {
    const count = (change: number): void => {
      busy += change;
      for (const key of outputsOf(request)) writing.set(key, (writing.get(key) ?? 0) + change);
    };
    count(1);
    schedule.after(delayMs, () => act(() => count(-1)));
  }

  function start(job: Job, done: () => void): void {
    const { id, request, acceptedMs } = job;
    if (job.status.kind !== 'queued') {
      done();
      return;
    }
    const isExpired = schedule.now() - acceptedMs > request.ttlSeconds * SECOND_MS;
    if (isExpired || random.chance(troubles.lose)) {
      tell(`${id} is lost`);
      job.isLost = true;
      job.status = { kind: 'cancelled' };
      done();
      return;
    }
    job.status = { kind: 'running' };
    schedule.after(request.executionTimeoutSeconds * SECOND_MS, () => {
      if (job.status.kind === 'running') end(job, { kind: 'timed-out' });
    });
    const isStopped = (): boolean =>
      job.status.kind !== 'running' && (job.endedMs === null || schedule.now() - job.endedMs > STOP_LAG_MS);
    carryOut(world, {
      ...{ name: id, request, isStopped },
      onEnd: (workerEnd) => {
        done();
        if (job.status.kind === 'running' && workerEnd.kind !== 'hangs') end(job, statusAfter(workerEnd));
      },
    });
  }

  function end(job: Job, status: RunStatus): void {
    tell(`${job.id} ends ${status.kind}`);
    job.status = status;
    job.endedMs = schedule.now();
  }

  function statusOf(id: string): RunStatus {
    const job = jobs.get(id);
    if (job === undefined || job.isLost) return { kind: 'unknown' };
    const { status, endedMs, acceptedMs } = job;
    const age = schedule.now() - (endedMs ?? acceptedMs);
    if (age < STALE_MS && random.chance(troubles.stale)) return { kind: endedMs === null ? 'unknown' : 'running' };
    return endedMs !== null && age > REMEMBERED_MS ? { kind: 'unknown' } : status;
  }

  interface Answer {
    readonly outcome: DispatchOutcome;
    readonly afterMs: number;
  }

  function answerTo(request: RunRequest): Answer {
    if (random.chance(troubles.refuse)) {
      onRefused(request);
      return { outcome: refused('RunPod answered 429.'), afterMs: 0 };
    }
    if (random.chance(troubles.uncertain)) {
      if (random.chance(0.5)) {
        const lateMs = random.chance(0.5) ? 0 : random.between(SECOND_MS, MAX_LATE_ACCEPT_MS);
        later(request, lateMs, (done) => {
          done();
          tell(`RunPod takes ${accept(request).id}, and its answer is lost`);
        });
      }
      return { outcome: uncertain(), afterMs: ANSWER_TIMEOUT_MS };
    }
    const job = accept(request);
    tell(`RunPod takes ${job.id}`);
    const afterMs = random.chance(troubles.answerLate) ? random.between(SECOND_MS, ANSWER_TIMEOUT_MS) : 0;
    return { outcome: { kind: 'accepted', runId: job.id }, afterMs };
  }

  const mayBeMute = (): void => {
    if (random.chance(troubles.mute)) throw new MillraceError('RUN_REFUSED', 'RunPod answered 500.');
  };

  return {
    busy: () => busy,
    isWriting: (key) => (writing.get(key) ?? 0) > 0,
    dispatcher: (actor) => ({
      async run(request, signal) {
        if (signal?.aborted === true) return refused('The call was not sent.');
        try {
          const { outcome, afterMs } = await schedule.effect(
            actor,
            () => {
              onRun(request, actor);
              return answerTo(request);
            },
            signal,
          );
          if (afterMs > 0) await answered(actor, afterMs);
          return outcome;
        } catch (thrown) {
          if (signal !== undefined && thrown === signal.reason) return uncertain();
          throw thrown;
        }
      },
      status: (_, id, signal) =>
        schedule.effect(
          actor,
          () => {
            mayBeMute();
            return statusOf(id);
          },
          signal,
        ),
      health: (_, signal) => schedule.effect(actor, () => HEALTHY, signal),
      cancel: (_, id, signal) =>
        schedule.effect(
          actor,
          () => {
            mayBeMute();
            const job = jobs.get(id);
            if (job?.status.kind === 'queued' || job?.status.kind === 'running') end(job, { kind: 'cancelled' });
          },
          signal,
        ),
    }),
  };

  function answered(actor: Actor, afterMs: number): Promise<void> {
    return new Promise((resolve) =>
      schedule.after(afterMs, () => {
        if (actor.alive) resolve();
      }),
    );
  }
}

const HEALTHY: EndpointHealth = {
  jobs: { inProgress: 0, inQueue: 0 },
  workers: { idle: 0, initializing: 0, ready: 0, running: 1, throttled: 0, unhealthy: 0 },
};

function outputsOf({ endpoint, input }: RunRequest): readonly string[] {
  return endpoint === 'default' ? itemsOf(input).map((item) => presignedKey(item.output_put_url)) : [];
}

function statusAfter(end: WorkerEnd): RunStatus {
  if (end.kind === 'failed' || end.kind === 'crashed') return { kind: 'failed', error: end.error };
  return { kind: end.kind === 'stopped' ? 'cancelled' : 'completed' };
}

function refused(why: string): DispatchOutcome {
  return { kind: 'refused', error: new MillraceError('RUN_REFUSED', why) };
}

function uncertain(): DispatchOutcome {
  return { kind: 'uncertain', error: new MillraceError('RUN_UNCERTAIN', 'RunPod did not answer.') };
}
