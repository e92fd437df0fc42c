/** A job's stages as lines of a table: what `status` prints and `demo` draws over and over. */
import { costDocument, type JobCost } from '../pipeline/cost.ts';
import { countItems, jobState, type StageCounts } from '../pipeline/job-state.ts';
import type { Plan, PlannedStage } from '../pipeline/plan-types.ts';
import { bar, formatTable, type Style, type Terminal } from './terminal.ts';

export function statusTable({ stages }: Pick<Plan, 'stages'>, terminal: Pick<Terminal, 'style'>): string[] {
  return formatTable(stages.map((stage) => statusRow(stage, terminal)));
}

/** More than these are counted: the table above them must stay on the screen. */
const MAX_ITEMS_NAMED = 20;

/** Everything that somebody must see to, one line each. */
export function statusNotes({ job, stages, problems }: Plan, { style }: Pick<Terminal, 'style'>): string[] {
  const items = stages.flatMap((stage) => stage.items.filter(({ phase }) => phase === 'failed' || phase === 'removed'));
  const more = items.length - MAX_ITEMS_NAMED;
  return [
    ...problems.flatMap((problem) => problemLines(problem, style)),
    ...items.slice(0, MAX_ITEMS_NAMED).map(({ stage, item, phase, why }) => {
      return `${style(phase === 'failed' ? 'red' : 'yellow', phase)} ${stage}/${item}: ${why}`;
    }),
    ...(more > 0 ? [`… and ${more} more: millrace status ${job} --json has them all`] : []),
  ];
}

/** What is wrong, and below it what to do. */
export function problemLines({ message, fix }: Plan['problems'][number], style: Terminal['style']): string[] {
  return [`${style('red', 'problem')} ${message}`, `        ${fix}`];
}

/** A stage's name, its bar, its count, and what there is to say about it. */
export function statusRow(
  stage: PlannedStage,
  { style }: Pick<Terminal, 'style'>,
): [name: string, bar: string, count: string, detail: string] {
  const counts = countItems(stage);
  if (stage.phase === 'off')
    return [style('dim', stage.name), style('dim', bar(0)), style('dim', 'off'), style('dim', stage.why)];
  const share = counts.total === 0 ? 0 : counts.done / counts.total;
  const count = counts.total === 0 ? stage.phase : `${counts.done}/${counts.total}`;
  return [stage.name, style(colourOf(stage, counts), bar(share)), count, detail(stage, counts)];
}

function colourOf({ phase }: PlannedStage, { failed, done, total }: StageCounts): Style {
  if (failed > 0 || phase === 'blocked') return 'red';
  return done === total && total > 0 ? 'green' : 'cyan';
}

function detail({ phase, why, items }: PlannedStage, counts: StageCounts): string {
  const parts = (['running', 'dispatch', 'held', 'retrying', 'failed', 'removed', 'cancelled'] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name]} ${name === 'dispatch' ? 'to dispatch' : name}`);
  const firstWait = items.find((item) => item.phase === 'waiting')?.why ?? '';
  const isStopped = phase === 'waiting' || phase === 'blocked';
  // Without items the phase stands in the column of the count already.
  const wait = isStopped ? (counts.total === 0 ? why : `${phase}: ${why}`) : firstWait === '' ? '' : `waiting: ${firstWait}`;
  const elsewhere = counts.external > 0 ? `${counts.external} to be made elsewhere` : '';
  return [...parts, wait, elsewhere].filter((part) => part !== '').join(', ');
}

/** What `status --json` prints. */
export function statusDocument(plan: Plan, cost: JobCost | null = null) {
  return {
    job: plan.job,
    state: jobState(plan),
    stages: plan.stages.map((stage) => ({
      name: stage.name,
      phase: stage.phase,
      why: stage.why,
      counts: countItems(stage),
      items: stage.items.map(({ item, phase, why, attempt, outputKey }) => ({ item, phase, why, attempt, output: outputKey })),
    })),
    problems: plan.problems.map(({ code, keys, message, errors, fix }) => ({ code, keys, message, errors, fix })),
    cost: cost === null ? null : costDocument(cost),
  };
}
