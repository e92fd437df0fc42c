/** Planning a job of very many segments: for the first time, and again after one of them has changed. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeFlags } from '../bin/setup.mjs';
import { formatBytes, formatTable } from '../cli/terminal.ts';
import { type Bench, median } from './measurement.ts';

const execute = promisify(execFile);
const PROCESS = fileURLToPath(new URL('planning-process.ts', import.meta.url));
const SMALL = 1000;
export interface PlanningMeasured {
  /** `JSON.parse` of the same list and one SHA-256 an entry. */
  readonly bareMs: number;
  readonly listingMs: number;
  /** From the last page of the listing to the plan; what is read in between (a manifest) and its checking is in it. */
  readonly planningMs: number;
  /** Of both, all threads together. */
  readonly processorMs: number;
  /** Of the whole process. */
  readonly peakBytes: number;
}

interface PlanningRow extends PlanningMeasured {
  readonly segments: number;
  readonly state: 'first' | 'again';
}

export interface PlanningReport {
  readonly rounds: number;
  readonly rows: readonly PlanningRow[];
}

export const planning: Bench<PlanningReport> = {
  name: 'planning',
  async measure(quick) {
    const rounds = quick ? 1 : 3;
    const rows: PlanningRow[] = [];
    for (const segments of quick ? [SMALL, 10_000] : [SMALL, 100_000]) {
      for (const state of ['first', 'again'] as const) rows.push(await rowOf(segments, state, rounds));
    }
    return { rounds, rows };
  },
  table: ({ rounds, rows }) => [
    `A job planned from its listing, each in a fresh process; medians of ${rounds}`,
    ...formatTable([
      ['segments', 'planned', 'listing', 'plan', 'against parse and hash', 'a segment', 'memory of the process'],
      ...rows.map(({ segments, state, listingMs, planningMs, bareMs, peakBytes }) => [
        ...[String(segments), state === 'first' ? 'at first' : 'after one change'],
        ...[`${listingMs.toFixed(0)} ms`, `${planningMs.toFixed(0)} ms`, `${(planningMs / bareMs).toFixed(1)}×`],
        ...[`${((1000 * planningMs) / segments).toFixed(1)} µs`, formatBytes(peakBytes)],
      ]),
    ]),
  ],
  goals({ rows }) {
    const large = Math.max(...rows.map(({ segments }) => segments));
    const [first, again] = (['first', 'again'] as const).map((state) =>
      rows.find((row) => row.segments === large && row.state === state),
    );
    if (first === undefined || again === undefined) return [];
    return [
      { what: `${large} segments planned`, found: first.planningMs / 1000, goal: 2, unit: 's', better: 'less' },
      { what: 'memory of the process that plans them', found: first.peakBytes / 1e6, goal: 300, unit: 'MB', better: 'less' },
      { what: 'planned again after one change', found: again.planningMs / 1000, goal: 1, unit: 's', better: 'less' },
    ];
  },
};

async function rowOf(segments: number, state: PlanningRow['state'], rounds: number): Promise<PlanningRow> {
  const measured: PlanningMeasured[] = [];
  for (let round = 0; round < rounds; round++) {
    const { stdout } = await execute(process.execPath, [...nodeFlags, PROCESS, String(segments), state]);
    measured.push(JSON.parse(stdout));
  }
  const of = (name: keyof PlanningMeasured) => median(measured.map((each) => each[name]));
  const times = {
    bareMs: of('bareMs'),
    listingMs: of('listingMs'),
    planningMs: of('planningMs'),
    processorMs: of('processorMs'),
  };
  return { segments, state, ...times, peakBytes: of('peakBytes') };
}
