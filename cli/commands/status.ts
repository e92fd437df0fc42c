import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { JobCost } from '../../pipeline/cost.ts';
import { DEFAULT_MAX_RESULTS, readJobCost } from '../../pipeline/job-cost.ts';
import { planJob } from '../../pipeline/job-plan.ts';
import { countItems, jobState } from '../../pipeline/job-state.ts';
import type { Plan } from '../../pipeline/plan-types.ts';
import { costLine, costTable } from '../cost-table.ts';
import { createPlanner } from '../deployment.ts';
import { EXIT } from '../exit-codes.ts';
import { jobArgument } from '../job-argument.ts';
import { openSession, stopSignal } from '../session.ts';
import { statusDocument, statusNotes, statusTable } from '../status-table.ts';
import type { Terminal } from '../terminal.ts';

const WATCH_INTERVAL_MS = 1_000;

export function addStatus(program: Command): void {
  program
    .command('status')
    .description("Show a job's stages: what is done, what runs, what waits and for what, what failed and why.")
    .argument('<job>', 'the job id', jobArgument)
    .option('--watch', 'go on until the job has ended')
    .option('--cost', 'what each stage has cost so far, however many results have to be read for it')
    .option('--json', 'one JSON document (with --watch, one a line whenever something changed)')
    .addHelpText(
      'after',
      `
Exits 0, or 1 where something failed or a problem stands in the way.
The cost is an estimate: seconds that workers were at it, times MILLRACE_GPU_PRICE_PER_SECOND. It is read from the job's results;
without --cost only where they are few.

Examples:
  $ millrace status talk-1 --watch
  $ millrace status talk-1 --cost
  $ millrace status talk-1 --json | jq -r '.stages[].items[] | select(.phase == "failed")'`,
    )
    .action(async (job: string, { watch, cost: isWanted, json }: { watch?: true; cost?: true; json?: true }) => {
      const { config, terminal } = openSession('status');
      const planner = createPlanner(config);
      const costs = { ...planner, prices: config.MILLRACE_GPU_PRICE_PER_SECOND ?? {}, memory: new Map() };
      const signal = stopSignal();
      const view = { terminal, json, costByStage: isWanted === true };
      const show = watch ? watcher(view) : (shown: Shown) => printOnce(shown, view);
      let plan: Plan;
      do {
        const planned = await planJob(planner, job, signal);
        ({ plan } = planned);
        const maxReads = isWanted ? Number.POSITIVE_INFINITY : DEFAULT_MAX_RESULTS;
        show({ plan, cost: await readJobCost(costs, planned, { maxReads, signal }) });
        if (watch && !hasEnded(plan)) await sleep(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      } while (watch && !hasEnded(plan) && !signal.aborted);
      if (hasFault(plan)) process.exitCode = EXIT.failed;
    });
}

interface Shown {
  readonly plan: Plan;
  /** Null where too many results would have had to be read. */
  readonly cost: JobCost | null;
}

interface View {
  readonly terminal: Terminal;
  readonly json: true | undefined;
  readonly costByStage: boolean;
}

/** Something that will not mend itself, whatever else is still under way. */
const hasFault = (plan: Plan): boolean =>
  jobState(plan) === 'failed' || plan.problems.length > 0 || plan.stages.some((stage) => countItems(stage).failed > 0);

const hasEnded = (plan: Plan): boolean => ['done', 'failed', 'cancelled'].includes(jobState(plan));

function printOnce(shown: Shown, view: View): void {
  const document = view.json ? [JSON.stringify(statusDocument(shown.plan, shown.cost), null, 2)] : lines(shown, view);
  for (const line of document) view.terminal.print(line);
}

/** Draws over on a terminal, and leaves the end there uncut; where stdout is piped, prints what changed. */
function watcher(view: View): (shown: Shown) => void {
  const { terminal, json } = view;
  let last = '';
  return (shown) => {
    if (terminal.isLive && !json) {
      if (!hasEnded(shown.plan)) return terminal.redraw(lines(shown, view));
      terminal.redraw([]);
      return printOnce(shown, view);
    }
    const now = json ? JSON.stringify(statusDocument(shown.plan, shown.cost)) : lines(shown, view).join('\n');
    if (now !== last) terminal.print(now);
    last = now;
  };
}

function lines({ plan, cost }: Shown, { terminal, costByStage }: View): string[] {
  const state = jobState(plan);
  if (state === 'empty' && plan.problems.length === 0)
    return [`${plan.job}: nothing to do (no manifest or input that a stage reads is there)`];
  const table = [...statusTable(plan, terminal), ...statusNotes(plan, terminal)];
  return [`${plan.job}: ${state}`, ...table, ...(costByStage && cost !== null ? costTable(cost) : []), ...costLine(cost)];
}
