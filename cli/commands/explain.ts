import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { MillraceError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { adviceFor } from '../../pipeline/advice.ts';
import { type AskedRun, askRuns } from '../../pipeline/ask-runs.ts';
import { tellCircumstances, whyNoItem } from '../../pipeline/item-circumstances.ts';
import { type ItemStory, type StoryLine, tellItemStory } from '../../pipeline/item-story.ts';
import { type PlannedJob, planJob } from '../../pipeline/job-plan.ts';
import { jobState } from '../../pipeline/job-state.ts';
import type { PlannedItem } from '../../pipeline/plan-types.ts';
import { createPlanner, createRunpod } from '../deployment.ts';
import { jobArgument } from '../job-argument.ts';
import { openSession } from '../session.ts';
import { problemLines, statusTable } from '../status-table.ts';
import { formatTable, type Terminal } from '../terminal.ts';

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('Why is it so? The story of one item from its claim to its end, or what stands in the way of a whole job.')
    .argument('<job>', 'the job id', jobArgument)
    .argument('[item]', 'STAGE/ITEM, such as segmentation/57; without it, everything that needs somebody')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Reads the job's claims, runs, results and output, and asks RunPod about runs that have not ended. Changes nothing.

Examples:
  $ millrace explain talk-1
  $ millrace explain talk-1 segmentation/57`,
    )
    .action(async (job: string, wanted: string | undefined, { json }: { json?: true }) => {
      const { config, log, terminal } = openSession('explain');
      const planner = createPlanner(config);
      const planned = await planJob(planner, job);
      if (wanted === undefined) return explainJob(planned, terminal, json);
      const { stage, item } = parseItem(wanted);
      const story = await tellItemStory(planner, planned, stage, item);
      if (story === undefined) {
        const { why, fix } = whyNoItem(planned, stage, item);
        throw new MillraceError('USAGE', why, fix === undefined ? {} : { fix });
      }
      const runs = await askRunPod(config, log, story);
      const circumstances = await tellCircumstances(planner, planned, story.item, Date.now());
      if (json)
        terminal.print(JSON.stringify({ job, ...story, runs, circumstances, advice: adviceFor(story.item, job) }, null, 2));
      else printStory(job, story, { runs, circumstances }, terminal);
    });
}

function parseItem(text: string): { readonly stage: string; readonly item: string } {
  const [, stage, item] = /^([a-z][a-z0-9-]*)\/(\d+)$/.exec(text) ?? [];
  if (stage !== undefined && item !== undefined) return { stage, item };
  throw new MillraceError('USAGE', `${JSON.stringify(text)} names no item`, {
    fix: 'Write it as STAGE/ITEM, such as segmentation/57.',
  });
}

async function askRunPod(config: Config, log: Logger, { openRuns }: ItemStory): Promise<AskedRun[]> {
  const isSetUp = config.RUNPOD_ENDPOINT !== undefined && config.RUNPOD_API_KEY !== undefined;
  return askRuns(openRuns, isSetUp && openRuns.length > 0 ? createRunpod(config, log) : undefined);
}

interface Around {
  readonly runs: readonly AskedRun[];
  readonly circumstances: readonly string[];
}

function printStory(job: string, { item, lines, mark }: ItemStory, around: Around, { print, style }: Terminal): void {
  const { runs, circumstances } = around;
  print(`${style('bold', `${item.stage}/${item.item}`)} of ${job}: ${item.phase}${item.why === '' ? '' : `, ${item.why}`}`);
  print('');
  const facts = [
    ['output', item.outputKey, outputFact(mark, item)],
    ...(item.fingerprint === '' ? [] : [['wanted', item.fingerprint, 'fingerprint of its task, parameters and inputs']]),
    ...runs.map(({ runId, says }) => ['run', runId, `RunPod says: ${says}`]),
  ];
  for (const line of formatTable(facts)) print(`  ${line}`);
  print('');
  if (lines.length === 0) print('  Nothing has happened to it yet.');
  for (const line of formatTable(lines.map((each) => storyRow(each, item)))) print(`  ${line}`);
  print('');
  for (const line of circumstances) print(line);
  print(adviceFor(item, job));
}

function outputFact(mark: string | null | undefined, { fingerprint }: PlannedItem): string {
  if (mark === undefined) return 'is not there';
  if (mark === null) return 'is there, without a mark: somebody put it there, or another program';
  return mark === fingerprint ? 'is there, made from what is wanted now' : 'is there, made from something else';
}

function storyRow({ atMs, attempt, fingerprint, what }: StoryLine, item: PlannedItem): string[] {
  const outdated =
    fingerprint !== '' && fingerprint !== item.fingerprint ? ' (for inputs or parameters that have changed since)' : '';
  return [new Date(atMs).toISOString(), attempt === 0 ? '' : `attempt ${attempt}`, `${what}${outdated}`];
}

/** More than these of one stage are counted. */
const MAX_ITEMS_NAMED = 20;
const NEEDS_SOMEBODY: ReadonlySet<string> = new Set(['failed', 'removed', 'retrying', 'held', 'dispatch', 'running']);

function explainJob({ plan, snapshot }: PlannedJob, terminal: Terminal, json: true | undefined): void {
  const { print, style } = terminal;
  const open = plan.stages.flatMap(({ items }) => items.filter(({ phase }) => NEEDS_SOMEBODY.has(phase)));
  const heldUntil = plan.stopped === 'held' ? new Date(snapshot.heldUntilMs).toISOString() : null;
  if (json) {
    const items = open.map((item) => ({ ...item, advice: adviceFor(item, plan.job) }));
    const { problems, stages } = plan;
    const document = { job: plan.job, state: jobState(plan), heldUntil, waitsForSlots: snapshot.slotNotes.length > 0, problems };
    print(JSON.stringify({ ...document, stages: stages.map(({ name, phase, why }) => ({ name, phase, why })), items }, null, 2));
    return;
  }
  print(`${style('bold', plan.job)}: ${jobState(plan)}`);
  for (const line of statusTable(plan, terminal)) print(line);
  if (heldUntil !== null) print(`held back until ${heldUntil}`);
  if (snapshot.slotNotes.length > 0) print('waits for a slot: its endpoint has as many runs in flight as it may');
  for (const line of plan.problems.flatMap((problem) => problemLines(problem, style))) print(line);
  for (const { name } of plan.stages) {
    const items = open.filter(({ stage }) => stage === name);
    for (const item of items.slice(0, MAX_ITEMS_NAMED)) print(`${item.phase}  ${name}/${item.item}  ${item.why}`);
    if (items.length > MAX_ITEMS_NAMED)
      print(`… and ${items.length - MAX_ITEMS_NAMED} more of ${name}: millrace status ${plan.job} --json has them all`);
  }
  const [first] = open;
  if (first !== undefined)
    print(`One of them from its claim to its end: millrace explain ${plan.job} ${first.stage}/${first.item}`);
}
