/** One word for a whole job, and counts for each of its stages, read off its plan. */
import type { ItemPhase, Plan, PlannedStage } from './plan-types.ts';

/**
 * `working`: runs are under way or about to be. `waiting`: for something that people or other programs make.
 * `failed`: something failed for good, or a problem stands in the way, and nothing else is under way.
 */
export type JobState = 'empty' | 'working' | 'waiting' | 'held' | 'done' | 'failed' | 'cancelled';

export type StageCounts = Readonly<Record<ItemPhase, number>> & { readonly total: number };

const NO_ITEMS: Readonly<Record<ItemPhase, number>> = {
  done: 0,
  running: 0,
  dispatch: 0,
  held: 0,
  retrying: 0,
  waiting: 0,
  failed: 0,
  removed: 0,
  external: 0,
  cancelled: 0,
  unknown: 0,
};

export function countItems({ items }: PlannedStage): StageCounts {
  const counts = { ...NO_ITEMS };
  for (const { phase } of items) counts[phase] += 1;
  return { ...counts, total: items.length };
}

export function jobState({ stages, stopped, problems }: Plan): JobState {
  if (stopped === 'cancelled') return 'cancelled';
  const on = stages.filter(({ phase }) => phase !== 'off');
  const counts = on.map(countItems);
  const some = (...phases: ItemPhase[]) => counts.some((count) => phases.some((phase) => count[phase] > 0));
  if (some('running', 'dispatch', 'retrying', 'unknown')) return 'working';
  if (stopped === 'held' && some('held')) return 'held';
  if (some('failed') || problems.length > 0 || on.some(({ phase }) => phase === 'blocked')) return 'failed';
  if (some('waiting', 'external') || on.some(({ phase }) => phase === 'waiting')) return 'waiting';
  return on.length === 0 ? 'empty' : 'done';
}
