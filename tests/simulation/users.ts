/** Users at work: they begin jobs, change their minds, stop, go on, ask again, and throw whole jobs away. */
import type { Act, ActScope } from './act.ts';
import { BUILT_IN_SHAPE, beginBuiltIn, builtInAct } from './built-in-job.ts';
import { beginDetected, DETECTED_SHAPE, detectedAct } from './detected-job.ts';
import type { JobShape } from './job-shape.ts';
import { beginListed, LISTED_SHAPE, listedAct } from './listed-job.ts';
import { folderOf } from './oracle.ts';
import { LAYOUT, MINUTE_MS, SECOND_MS, TROUBLED_MS } from './settings.ts';
import type { World } from './world.ts';

export interface JobKind {
  readonly shape: JobShape;
  readonly begin: (scope: ActScope) => readonly Act[];
  readonly act: (scope: ActScope) => Act;
}

const BUILT_IN: JobKind = { shape: BUILT_IN_SHAPE, begin: beginBuiltIn, act: builtInAct };

/** By job id. */
export const JOBS: Readonly<Record<string, JobKind>> = {
  'job-a': BUILT_IN,
  'job-b.2': { shape: DETECTED_SHAPE, begin: beginDetected, act: detectedAct },
  job_c: { shape: LISTED_SHAPE, begin: beginListed, act: listedAct },
  'job-a2': BUILT_IN,
};

const MAX_BURSTS = 5;
const MAX_ACTS = 5;
const BURST_MS = 90 * SECOND_MS;

export function employUsers(world: World): void {
  const { random, schedule } = world;
  const scopeOf = (job: string): ActScope => ({ random, folder: folderOf(world.bucket, job) });
  const names = Object.keys(JOBS).filter((_, index) => index === 0 || random.chance(0.5));

  const carryOut = (job: string, { says, key, body }: Act): void => {
    const whole = LAYOUT.jobKey(job, key);
    // Between a run's upload and its result nobody can tell whose the output is: docs/simulation.md says more.
    if (body !== null && world.cloud.isWriting(whole)) return;
    world.tell(`a user ${says} (${job})`);
    if (body === null) world.bucket.delete(whole);
    else world.bucket.put(whole, body);
  };
  const begin = (job: string): void => {
    for (const act of JOBS[job]?.begin(scopeOf(job)) ?? []) carryOut(job, act);
  };

  for (const job of names) {
    if (random.chance(0.7)) begin(job);
    else schedule.after(random.between(0, TROUBLED_MS / 2), () => begin(job));
  }
  const bursts = random.between(1, MAX_BURSTS);
  for (let burst = 0; burst < bursts; burst += 1) {
    const job = random.pick(names) ?? 'job-a';
    const beganMs = random.between(SECOND_MS, TROUBLED_MS - 2 * MINUTE_MS);
    const acts = random.between(1, MAX_ACTS);
    for (let act = 0; act < acts; act += 1) {
      schedule.after(beganMs + random.between(0, BURST_MS), () => {
        const kind = JOBS[job];
        if (kind !== undefined) carryOut(job, kind.act(scopeOf(job)));
        if (random.chance(0.15)) askAgain(world, job);
      });
    }
  }
  // Cancelled jobs go on some time later, most of the time.
  schedule.after(random.between(MINUTE_MS, TROUBLED_MS), () => {
    for (const job of names) {
      if (random.chance(0.8)) carryOut(job, { says: 'lets it go on', key: 'cancel.json', body: null });
    }
  });
  if (random.chance(0.2)) throwAway(world, random.pick(names) ?? 'job-a', begin);
}

/** Deletes a job's whole folder, and mostly begins it anew some time later. */
function throwAway(world: World, job: string, begin: (job: string) => void): void {
  const { random, schedule, bucket } = world;
  schedule.after(random.between(MINUTE_MS, TROUBLED_MS - 10 * MINUTE_MS), () => {
    world.tell(`a user throws ${job} away`);
    world.watch.forget(job);
    for (const key of bucket.keysUnder(LAYOUT.jobFolder(job))) bucket.delete(key);
  });
  if (random.chance(0.7)) {
    schedule.after(random.between(TROUBLED_MS - 10 * MINUTE_MS, TROUBLED_MS), () => {
      if (bucket.keysUnder(LAYOUT.jobFolder(job)).some((key) => key.endsWith('.json') && !key.includes('/results/'))) return;
      world.tell(`a user begins ${job} anew`);
      begin(job);
    });
  }
}

/** Retry: forgets the failures of every item, and wakes the job. */
function askAgain({ bucket, tell, nudge }: World, job: string): void {
  tell(`a user asks for a retry (${job})`);
  for (const key of bucket.keysUnder(`${LAYOUT.jobFolder(job)}results/`)) {
    const [, path, attempt] = /\/results\/(.+)\.(\d+)\.(?:failed|succeeded)\.json$/.exec(key) ?? [];
    if (path === undefined || attempt === undefined) continue;
    bucket.put(`${LAYOUT.statePrefix}/retries/${job}/${path}.${attempt}`, '{}');
  }
  nudge(job);
}
