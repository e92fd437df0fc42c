/** The world in numbers: how the deployment is set up, how long things last, and what may go wrong how often. */
import { readFileSync } from 'node:fs';
import { Pipeline } from '../../manifests/pipeline.ts';
import { requireGraph } from '../../pipeline/graph.ts';
import { createLayout } from '../../pipeline/layout.ts';
import type { PlanSettings } from '../../pipeline/plan-types.ts';
import type { Random } from './random.ts';

const PIPELINE = new URL('../../manifests/built-in.pipeline.json', import.meta.url);

export const LAYOUT = createLayout();
export const GRAPH = requireGraph(Pipeline.parse(JSON.parse(readFileSync(PIPELINE, 'utf8'))));
/** Another program's endpoint, which writes neither marks nor results. */
export const FOREIGN_ENDPOINT = 'speech-detection';
export const PLAN_SETTINGS: PlanSettings = {
  maxSegments: 1000,
  maxManifestBytes: 1_000_000,
  jobPipelines: true,
  jobWebhooks: false,
  endpoints: [FOREIGN_ENDPOINT],
  allowedUriPrefixes: [],
};
export const MAX_TTL_SECONDS = 604_800;

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const START_MS = Date.UTC(2026, 0, 1);
/** How long users and faults are at work. */
export const TROUBLED_MS = 50 * MINUTE_MS;
/** How long after the last fault the world may need to come to rest; docs/simulation.md says what it adds up from. */
export const QUIET_LIMIT_MS = 4 * 60 * MINUTE_MS;
export const SWEEP_EVERY_MS = 60 * SECOND_MS;
export const CONCURRENT_JOBS = 4;
/** Small, so that a listing takes several requests and the world can change between them. */
export const PAGE_SIZE = 7;
/** Far shorter than the time for which a slot waits for its claim. */
export const MAX_LAG_MS = 15 * SECOND_MS;
/** Longer than every patience. */
export const MAX_STALL_MS = 80 * MINUTE_MS;

/** How one world's deployment is set up. */
export interface Deployment {
  readonly consumers: number;
  /** 0 is no ceiling. */
  readonly maxRunsInFlight: number;
  /** 0 does without: then no event of a user may be lost, and nothing hides what the sweep alone must find. */
  readonly auditMinutes: number;
  /** Consumers wake jobs that wait for a slot themselves, and do not leave it to the sweep. */
  readonly wakesWaiters: boolean;
}

const MAX_CONSUMERS = 4;
/** Low, because few runs of these jobs could go at once. */
const MAX_CEILING = 2;
/** Short, so that several audits fall into the troubles. */
const AUDIT_MINUTES = 20;

export function drawDeployment(random: Random): Deployment {
  return {
    consumers: random.between(1, MAX_CONSUMERS),
    maxRunsInFlight: random.chance(0.6) ? 0 : random.between(1, MAX_CEILING),
    auditMinutes: random.chance(0.5) ? AUDIT_MINUTES : 0,
    wakesWaiters: random.chance(0.5),
  };
}

/** What may go wrong, each as the chance that it does where it could. */
export interface Troubles {
  /** A consumer dies, right before an effect or right after it. */
  kill: number;
  /** A consumer is told to stop, at a sweep. */
  restart: number;
  /** A request hangs, on its way there or back, up to longer than any patience. */
  stall: number;
  /** A request takes seconds: the world changes between two of the same look. */
  lag: number;
  /** The bucket answers 503; half of these requests were carried out. */
  storeError: number;
  /** The bucket is away for a few minutes: a chance for every minute. */
  storeOutage: number;
  /** An event of something that a worker or a consumer wrote is lost: the sweep must find out. */
  loseEvent: number;
  /** An event of something that a user wrote is lost: only the audit can find out. What a user deletes leaves nothing to find. */
  loseUserEvent: number;
  doubleEvent: number;
  /** An event takes minutes instead of seconds, and so comes after those that were sent later. */
  delayEvent: number;
  /** A message becomes visible again although its consumer is still at work: at every extension of the lease. */
  loseLease: number;
  /** An acknowledgement does not arrive. */
  loseAck: number;
  /** `/run` answers 429. */
  refuse: number;
  /** `/run` gets no answer; half of these calls were accepted, some of them minutes later. */
  uncertain: number;
  /** `/run`'s answer comes seconds after RunPod has accepted, when the run may be over. */
  answerLate: number;
  /** `/status` tells what was so a while ago. */
  stale: number;
  /** `/status` and `/cancel` answer 500. */
  mute: number;
  /** A run waits in RunPod's queue for up to most of an hour. */
  queueSlowly: number;
  /** RunPod forgets a run. */
  lose: number;
  /** A run is carried out a second time, some time later. */
  repeat: number;
  /** A run goes on until RunPod's execution timeout ends it. */
  hang: number;
  /** A worker takes minutes from one step to the next. */
  dawdle: number;
  /** A worker dies between two of its steps; an upload that was under way may still arrive. */
  crash: number;
  /** An item fails though it need not have. */
  fail: number;
  /** A worker cannot upload a result, and says that it is done. */
  loseResult: number;
}

export const NO_TROUBLES: Troubles = {
  ...{ kill: 0, restart: 0, stall: 0, lag: 0, storeError: 0, storeOutage: 0 },
  ...{ loseEvent: 0, loseUserEvent: 0, doubleEvent: 0, delayEvent: 0, loseLease: 0, loseAck: 0 },
  ...{ refuse: 0, uncertain: 0, answerLate: 0, stale: 0, mute: 0, queueSlowly: 0 },
  ...{ lose: 0, repeat: 0, hang: 0, dawdle: 0, crash: 0, fail: 0, loseResult: 0 },
};

/** The most of each. */
const WORST: Troubles = {
  ...{ kill: 0.01, restart: 0.1, stall: 0.01, lag: 0.3, storeError: 0.03, storeOutage: 0.05 },
  ...{ loseEvent: 1, loseUserEvent: 1, doubleEvent: 0.3, delayEvent: 0.5, loseLease: 0.5, loseAck: 0.3 },
  ...{ refuse: 0.5, uncertain: 0.2, answerLate: 0.5, stale: 0.5, mute: 0.5, queueSlowly: 0.3 },
  ...{ lose: 0.2, repeat: 0.8, hang: 0.1, dawdle: 0.5, crash: 0.15, fail: 0.4, loseResult: 0.3 },
};

const CALM_WORLDS = 0.1;
const SPARED = 0.55;

/** About half of the troubles spare a world altogether; some worlds are hit hard by one of them; in some nothing goes wrong. */
export function drawTroubles(random: Random, { auditMinutes }: Deployment): Troubles {
  if (random.chance(CALM_WORLDS)) return { ...NO_TROUBLES };
  const drawn = Object.entries(WORST).map(([name, most]) => [name, random.chance(SPARED) ? 0 : random.next() * most]);
  const troubles = Object.fromEntries(drawn) as unknown as Troubles;
  return auditMinutes === 0 ? { ...troubles, loseUserEvent: 0 } : troubles;
}
