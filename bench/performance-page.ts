/** Puts what was measured into docs/performance.md: between markers, so that no figure there is typed by hand. */
import { readFile, writeFile } from 'node:fs/promises';
import { goalsChart } from './goals-chart.ts';
import { goalsTable } from './goals-table.ts';
import type { Outcome } from './measurement.ts';

const PAGE = new URL('../docs/performance.md', import.meta.url);
const CHART = new URL('../docs/performance.svg', import.meta.url);

export async function writePerformancePage(machine: readonly string[], outcomes: readonly Outcome[]): Promise<void> {
  const goals = outcomes.flatMap((outcome) => outcome.goals);
  const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['machine', [...machine, `All of it took ${(seconds / 60).toFixed(1)} minutes.`]],
    ['goals', goalsTable(goals)],
    ...outcomes.map(({ name, table }) => [name, table] as const),
  ];
  let page = await readFile(PAGE, 'utf8');
  for (const [name, lines] of sections) page = withSection(page, name, lines);
  await writeFile(PAGE, page);
  await writeFile(CHART, goalsChart(goals));
}

/** Throws where the page has no place for it. */
export function withSection(page: string, name: string, lines: readonly string[]): string {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}: ${begin} … ${end}`);
  const text = lines.map((line) => line.trimEnd()).join('\n');
  // Marked as output: rows of the tables name commands.
  return `${page.slice(0, from + begin.length)}\n\n\`\`\`text\n${text}\n\`\`\`\n\n${page.slice(to)}`;
}
