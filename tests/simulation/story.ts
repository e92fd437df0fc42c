/** What happens in a world: users at work while things break, then quiet; and what must be true at the end. */

import { parseAuditName } from '../../pipeline/layout.ts';
import type { PlannedItem } from '../../pipeline/plan-types.ts';
import { compareWithPlan, judge } from './oracle.ts';
import { createRandom } from './random.ts';
import {
  drawDeployment,
  drawTroubles,
  LAYOUT,
  MINUTE_MS,
  NO_TROUBLES,
  QUIET_LIMIT_MS,
  TROUBLED_MS,
  type Troubles,
} from './settings.ts';
import { employUsers, JOBS } from './users.ts';
import { createWorld, type World } from './world.ts';

export interface Ending {
  /** What happened, a line each. */
  readonly story: readonly string[];
  readonly faults: readonly string[];
  /** From the end of the faults until nothing was left to do. */
  readonly settledAfterMs: number;
  /** Turns that were given. */
  readonly steps: number;
}

/** The longest run of each of three other jobs, and a sweep between them, where nothing goes wrong. */
const MAX_WAIT_MS = 40 * MINUTE_MS;
/** An operator looks at the dead letters. */
const REPLAY_EVERY_MS = 10 * MINUTE_MS;

/** Lives through one seed. */
export async function tellStory(seed: number): Promise<Ending> {
  const random = createRandom(seed);
  const deployment = drawDeployment(random);
  const troubles = drawTroubles(random, deployment);
  const world = createWorld({ random, troubles, deployment, jobs: Object.keys(JOBS) });
  const { schedule, queue, tell, watch } = world;
  const isCalm = Object.values(troubles).every((chance) => chance === 0);
  const losesUserEvents = troubles.loseUserEvent > 0;
  tell(`deployment: ${JSON.stringify(deployment)}`);
  tell(`troubles: ${describe(troubles)}`);
  world.startConsumers();
  employUsers(world);

  await schedule.run(() => false, schedule.now() + TROUBLED_MS);
  Object.assign(troubles, NO_TROUBLES);
  tell('the troubles are over');
  const replay = (): void => {
    queue.replayDeadLetters();
    schedule.after(REPLAY_EVERY_MS, replay);
  };
  replay();

  const quietMs = schedule.now();
  const isStill = await schedule.run(
    () => hasSettled(world) && (!losesUserEvents || wasAudited(world, quietMs)),
    quietMs + QUIET_LIMIT_MS,
  );
  const settledAfterMs = schedule.now() - quietMs;
  tell(`at rest after ${Math.round(settledAfterMs / MINUTE_MS)} minutes`);
  const faults = [...watch.violations];
  if (!isStill) faults.push(`the world does not come to rest: ${leftOver(world)}`);
  const waitedMs = watch.longestWaitMs();
  if (isCalm && waitedMs > MAX_WAIT_MS) faults.push(`a job waits ${Math.round(waitedMs / MINUTE_MS)} minutes for a slot`);
  for (const job of Object.keys(JOBS)) faults.push(...(await faultsOf(world, job)));
  return { story: world.story, faults, settledAfterMs, steps: schedule.step() };
}

function describe(troubles: Troubles): string {
  const named = Object.entries(troubles).filter(([, chance]) => chance > 0);
  return named.map(([name, chance]) => `${name} ${chance.toFixed(3)}`).join(', ') || 'none';
}

const openWork = ({ bucket }: World): readonly string[] =>
  ['claims', 'slots', 'waiting'].flatMap((kind) => bucket.keysUnder(`${LAYOUT.statePrefix}/${kind}/`));

/** No message, no run, no claim, no slot, no note, nobody at work: nothing is left that could wake anybody. */
function hasSettled(world: World): boolean {
  return world.isIdle() && world.queue.unsettled() === 0 && world.cloud.busy() === 0 && openWork(world).length === 0;
}

/** Events that were lost before they reached the queue are only found by an audit that began after that. */
function wasAudited({ bucket }: World, sinceMs: number): boolean {
  return bucket.keysUnder(LAYOUT.auditPrefix).some((key) => {
    const audit = parseAuditName(key.slice(LAYOUT.auditPrefix.length));
    return audit?.done === true && audit.startMs >= sinceMs;
  });
}

function leftOver(world: World): string {
  return `${world.queue.unsettled()} messages, ${world.cloud.busy()} runs, ${openWork(world).join(' ')}`;
}

const RESTING: readonly PlannedItem['phase'][] = ['done', 'failed', 'removed', 'waiting', 'external', 'cancelled'];

async function faultsOf(world: World, job: string): Promise<string[]> {
  const { bucket, watch } = world;
  const kind = JOBS[job];
  if (kind === undefined) return [];
  const { plan } = await world.look(job);
  const judgement = judge({ bucket, meaningOf: watch.meaningOf }, kind.shape, job);
  const faults = [...judgement.faults, ...compareWithPlan(judgement, plan)];
  for (const { stage, item, phase, why } of plan.stages.flatMap(({ items }) => items)) {
    if (!RESTING.includes(phase)) faults.push(`${job}/${stage}/${item} is left ${phase} ${why}`);
  }
  const before = world.writes();
  await world.reconcileOnce(job);
  if (world.writes() !== before) faults.push(`a reconcile of ${job}, which is quiet, writes`);
  return faults;
}
