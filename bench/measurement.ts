/** What every measurement is made of. A new one is a file of its own that exports a `Bench`, and an entry in bench.ts. */

/** A figure with what it has to be. */
export interface Goal {
  readonly what: string;
  readonly found: number;
  readonly goal: number;
  readonly unit: '×' | '%' | 'ms' | 's' | 'MB';
  /** `more`: at least the goal; `less`: less than it. */
  readonly better: 'more' | 'less';
}

export interface Bench<Report> {
  /** As it is called on the command line, in the JSON and in the page's markers. */
  readonly name: string;
  /** `quick`: the smallest shape that shows that everything runs. */
  readonly measure: (quick: boolean) => Promise<Report>;
  /** For the terminal and the page. */
  readonly table: (report: Report) => readonly string[];
  readonly goals: (report: Report) => readonly Goal[];
}

export interface Outcome {
  readonly name: string;
  readonly seconds: number;
  readonly report: unknown;
  readonly table: readonly string[];
  readonly goals: readonly Goal[];
}

export interface RunnableBench {
  readonly name: string;
  run(quick: boolean): Promise<Outcome>;
}

/** Forgets the report's type, so that all can be in one list. */
export function runnable<Report>({ name, measure, table, goals }: Bench<Report>): RunnableBench {
  return {
    name,
    async run(quick) {
      const startedAtMs = performance.now();
      const report = await measure(quick);
      const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
      return { name, seconds, report, table: table(report), goals: goals(report) };
    },
  };
}

export function isMet({ found, goal, better }: Goal): boolean {
  return better === 'more' ? found >= goal : found < goal;
}

/** How much of what it may be a figure is: 1 is just what the goal allows. */
export function shareOfGoal({ found, goal, better }: Goal): number {
  return better === 'more' ? goal / found : found / goal;
}

/** `share` from 0 to 1; 0.5 is the median. NaN where there is nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);
