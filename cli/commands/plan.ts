import type { Command } from 'commander';
import { planJob } from '../../pipeline/job-plan.ts';
import type { Plan, PlannedStage } from '../../pipeline/plan-types.ts';
import { createPlanner } from '../deployment.ts';
import { jobArgument } from '../job-argument.ts';
import { openSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';

export function addPlan(program: Command): void {
  program
    .command('plan')
    .description('Print what would be dispatched for a job and why, as make -n does. Writes nothing.')
    .argument('<job>', 'the job id', jobArgument)
    .option('--json', 'the whole plan as one JSON document')
    .addHelpText('after', '\nExamples:\n  $ millrace plan talk-1\n  $ millrace plan talk-1 --json | jq .dispatch')
    .action(async (job: string, { json }: { json?: true }) => {
      const { config, terminal } = openSession('plan');
      const { plan } = await planJob(createPlanner(config), job);
      if (json) terminal.print(JSON.stringify(planDocument(plan), null, 2));
      else printPlan(plan, terminal);
    });
}

/** Without the parts that only reconcile needs. */
function planDocument({ job, stopped, stages, dispatch, cancel, problems }: Plan) {
  const items = dispatch.map(({ stage, item, fingerprint, attempt, why, outputKey }) => ({
    stage,
    item,
    fingerprint,
    attempt,
    why,
    output: outputKey,
  }));
  return { job, stopped, dispatch: items, cancel, problems, stages };
}

function printPlan({ job, stopped, stages, dispatch, cancel, problems }: Plan, { print, style }: Terminal): void {
  for (const { stage, item, attempt, why, outputKey } of dispatch) {
    print(`${style('green', 'dispatch')}  ${stage}/${item}  attempt ${attempt}  ${outputKey}  because ${why}`);
  }
  const cancelled = Object.groupBy(cancel, ({ stage, attempt }) => `${stage} ${attempt}`);
  for (const together of Object.values(cancelled)) {
    const { stage = '', attempt = 0 } = together?.[0] ?? {};
    const items = ranges((together ?? []).map(({ item }) => item));
    print(`${style('yellow', 'cancel')}    ${stage}/${items}  attempt ${attempt}, because nobody wants what it makes any more`);
  }
  for (const stage of stages) {
    for (const line of stageLines(stage)) print(line);
  }
  for (const { message, fix } of problems) print(`${style('red', 'problem')}   ${message}\n          ${fix}`);
  if (stopped !== null) print(`${style('yellow', stopped)}: nothing is dispatched`);
  else if (dispatch.length === 0) print(`nothing to dispatch for ${job}`);
}

/** Items that neither run now nor are done, grouped by why. */
function stageLines({ name, phase, why, items }: PlannedStage): string[] {
  if (phase === 'off') return [];
  if (items.length === 0) return [`${phase.padEnd(8)}  ${name}  ${why}`];
  const groups = new Map<string, string[]>();
  for (const item of items) {
    if (item.phase === 'done' || item.phase === 'dispatch') continue;
    const reason = `${item.phase.padEnd(8)}  ${name}/# ${item.why === '' ? '' : ` ${item.why}`}`;
    groups.set(reason, [...(groups.get(reason) ?? []), item.item]);
  }
  return [...groups].map(([reason, names]) => reason.replace('#', ranges(names)).trimEnd());
}

/** `0-4,7` for items 0, 1, 2, 3, 4 and 7. */
function ranges(names: readonly string[]): string {
  const spans: [first: number, last: number][] = [];
  for (const number of names.map(Number).toSorted((a, b) => a - b)) {
    const span = spans.at(-1);
    if (span !== undefined && number === span[1] + 1) span[1] = number;
    else spans.push([number, number]);
  }
  return spans.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}
