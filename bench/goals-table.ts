/** What was found beside what it has to be. */
import { formatTable } from '../cli/terminal.ts';
import { type Goal, isMet } from './measurement.ts';

export function goalsTable(goals: readonly Goal[]): string[] {
  return formatTable([
    ['what', 'found', 'goal', ''],
    ...goals.map((goal) => [
      goal.what,
      formatFigure(goal.found, goal.unit),
      `${goal.better === 'more' ? 'at least' : 'under'} ${formatFigure(goal.goal, goal.unit)}`,
      isMet(goal) ? 'met' : 'MISSED',
    ]),
  ]);
}

export function formatFigure(value: number, unit: Goal['unit']): string {
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit === '×' ? '×' : ` ${unit}`}`;
}
