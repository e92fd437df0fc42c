import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { planJob } from '../../pipeline/job-plan.ts';
import { countItems, jobState } from '../../pipeline/job-state.ts';
import type { Plan } from '../../pipeline/plan-types.ts';
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
    .option('--json', 'one JSON document (with --watch, one a line whenever something changed)')
    .addHelpText(
      'after',
      `
Exits 0, or 1 where something failed or a problem stands in the way.

Examples:
  $ millrace status talk-1 --watch
  $ millrace status talk-1 --json | jq -r '.stages[].items[] | select(.phase == "failed")'`,
    )
    .action(async (job: string, { watch, json }: { watch?: true; json?: true }) => {
      const { config, terminal } = openSession('status');
      const planner = createPlanner(config);
      const signal = stopSignal();
      const show = watch ? watcher(terminal, json) : (plan: Plan) => printOnce(plan, terminal, json);
      let plan: Plan;
      do {
        ({ plan } = await planJob(planner, job, signal));
        show(plan);
        if (watch && !hasEnded(plan)) await sleep(WATCH_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      } while (watch && !hasEnded(plan) && !signal.aborted);
      if (hasFault(plan)) process.exitCode = EXIT.failed;
    });
}

/** Something that will not mend itself, whatever else is still under way. */
const hasFault = (plan: Plan): boolean =>
  jobState(plan) === 'failed' || plan.problems.length > 0 || plan.stages.some((stage) => countItems(stage).failed > 0);

const hasEnded = (plan: Plan): boolean => ['done', 'failed', 'cancelled'].includes(jobState(plan));

function printOnce(plan: Plan, terminal: Terminal, json: true | undefined): void {
  const document = json ? [JSON.stringify(statusDocument(plan), null, 2)] : lines(plan, terminal);
  for (const line of document) terminal.print(line);
}

/** Draws over on a terminal, and leaves the end there uncut; where stdout is piped, prints what changed. */
function watcher(terminal: Terminal, json: true | undefined): (plan: Plan) => void {
  let last = '';
  return (plan) => {
    if (terminal.isLive && !json) {
      if (!hasEnded(plan)) return terminal.redraw(lines(plan, terminal));
      terminal.redraw([]);
      return printOnce(plan, terminal, json);
    }
    const now = json ? JSON.stringify(statusDocument(plan)) : lines(plan, terminal).join('\n');
    if (now !== last) terminal.print(now);
    last = now;
  };
}

function lines(plan: Plan, terminal: Terminal): string[] {
  const state = jobState(plan);
  if (state === 'empty' && plan.problems.length === 0)
    return [`${plan.job}: nothing to do (no manifest or input that a stage reads is there)`];
  return [`${plan.job}: ${state}`, ...statusTable(plan, terminal), ...statusNotes(plan, terminal)];
}
