/** The table at the demo's end: every output, what was found, and where it lies. */
import { posix } from 'node:path';
import { formatBytes, formatTable, type Terminal } from '../terminal.ts';
import type { CheckedOutput } from './checks.ts';

export interface ReportedOutput extends CheckedOutput {
  /** Since the demo began; `undefined` where the output is not there. */
  readonly readyMs: number | undefined;
}

/** The outputs of each job under their folders; `folderOf` tells a job's own on this machine. */
export function outputTable(
  outputs: readonly ReportedOutput[],
  folderOf: (job: string) => string,
  { style }: Pick<Terminal, 'style'>,
): string[] {
  const rows = formatTable(outputs.map((output) => outputRow(output, style)));
  const lines: string[] = [];
  for (const job of new Set(outputs.map((output) => output.job))) {
    lines.push(`${style('bold', job)}  ${style('dim', folderOf(job))}`);
    let last = '';
    for (const [index, output] of outputs.entries()) {
      if (output.job !== job) continue;
      const directory = posix.dirname(output.key);
      if (directory !== last) lines.push(`  ${style('dim', `${directory}/`)}`);
      last = directory;
      lines.push(`    ${rows[index]}`);
    }
    lines.push('');
  }
  return lines;
}

function outputRow({ key, isRight, finding, ...output }: ReportedOutput, style: Terminal['style']): string[] {
  return [
    isRight ? style('green', '✓') : style('red', '✗'),
    posix.basename(key),
    (output.durationSeconds === undefined ? '' : `${output.durationSeconds.toFixed(3)} s`).padStart(8),
    output.shape,
    formatBytes(output.sizeBytes).padStart(8),
    output.readyMs === undefined ? 'missing' : `at ${formatSeconds(output.readyMs)}`,
    isRight ? finding : style('red', finding),
  ];
}

/** `12.3 s` */
export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

export interface Totals {
  readonly outputs: readonly Pick<CheckedOutput, 'isRight'>[];
  readonly items: number;
  readonly runs: number;
  readonly workers: number;
  readonly elapsedMs: number;
}

export function totalsLine({ outputs, items, runs, workers, elapsedMs }: Totals, { style }: Pick<Terminal, 'style'>): string {
  const wrong = outputs.filter(({ isRight }) => !isRight).length;
  const verdict =
    wrong === 0
      ? style(['bold', 'green'], `All ${outputs.length} outputs are right`)
      : style(['bold', 'red'], `${wrong} of ${outputs.length} outputs are wrong`);
  return `${verdict}: ${items} items, ${runs} runs, ${plural(workers, 'worker')}, ${formatSeconds(elapsedMs)} in all.`;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
