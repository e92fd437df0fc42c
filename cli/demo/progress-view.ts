/** How the demo shows two jobs at work: one table drawn over on a terminal, else a line for everything that changed. */
import { jobState } from '../../pipeline/job-state.ts';
import type { Plan, PlannedStage } from '../../pipeline/plan-types.ts';
import { statusRow, statusTable } from '../status-table.ts';
import type { Terminal } from '../terminal.ts';

export interface ProgressView {
  show(plans: readonly Plan[]): void;
}

/** `elapsed` is what the demo's clock shows: `12.3 s`. */
export function createProgressView(terminal: Terminal, elapsed: () => string): ProgressView {
  return terminal.isLive ? drawnOver(terminal, elapsed) : lineByLine(terminal, elapsed);
}

function drawnOver(terminal: Terminal, elapsed: () => string): ProgressView {
  const { style } = terminal;
  return {
    show(plans) {
      // One table, so that the columns of all jobs are as wide.
      const rows = statusTable({ stages: plans.flatMap(stagesThatAreOn) }, terminal);
      const blocks = plans.map((plan) => {
        const state = jobState(plan);
        const colour = state === 'done' ? 'green' : state === 'failed' ? 'red' : 'cyan';
        const own = rows.splice(0, stagesThatAreOn(plan).length);
        return [`${style('bold', plan.job)}  ${style(colour, state)}`, ...own.map((row) => `  ${row}`), ''];
      });
      terminal.redraw([...blocks.flat(), style('dim', elapsed())]);
    },
  };
}

function lineByLine(terminal: Terminal, elapsed: () => string): ProgressView {
  const shown = new Map<string, string>();
  return {
    show(plans) {
      for (const { job, stage } of plans.flatMap((plan) => stagesThatAreOn(plan).map((stage) => ({ job: plan.job, stage })))) {
        const [name, , count, detail] = statusRow(stage, terminal);
        const id = `${job}/${name}`;
        // Another reason to wait is no news, and for a fan-in it is another one with every clip.
        const news = `${count} ${detail.replace(/waiting: .*/, 'waiting')}`;
        if (shown.get(id) === news) continue;
        shown.set(id, news);
        terminal.print(
          `${elapsed().padStart(7)}  ${job.padEnd(13)}  ${name.padEnd(13)}  ${count.padEnd(7)}  ${detail}`.trimEnd(),
        );
      }
    },
  };
}

const stagesThatAreOn = ({ stages }: Plan): PlannedStage[] => stages.filter(({ phase }) => phase !== 'off');
