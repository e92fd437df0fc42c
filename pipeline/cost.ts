/**
 * What work has cost, estimated from its results: the seconds that workers were at it, times the GPU's price. Pure.
 *
 * What RunPod bills beyond that is not in it, because nothing in the bucket tells: the start of a worker, its idle time before it is
 * stopped, and attempts that ended without anybody measuring them (they are counted as `unmeasured`). Seconds are not rounded up, because a
 * worker that takes several runs one after the other is billed once.
 */
import type { MeasuredResult } from './measured-result.ts';
import { DEFAULT_ENDPOINT } from './slots.ts';

/** US dollars per second, by endpoint; `default` is for those that are not named. */
export type Prices = Readonly<Record<string, number>>;

export interface Cost {
  /** Seconds that were paid for, as far as they were measured. */
  readonly gpuSeconds: number;
  /** Null without a price. */
  readonly usd: number | null;
  /** Attempts that ended, whatever their end; those that RunPod refused never ran. */
  readonly attempts: number;
  /** Of these, how many nobody measured: their worker was killed, or they belong to another program. */
  readonly unmeasured: number;
  /** What the outputs that are there now play; what was made before and replaced is paid for too, and not in it. */
  readonly outputMinutes: number;
  readonly usdPerOutputMinute: number | null;
}

export interface StageCost extends Cost {
  readonly stage: string;
}

export interface JobCost extends Cost {
  readonly stages: readonly StageCost[];
}

export interface StageResults {
  readonly stage: string;
  readonly results: readonly MeasuredResult[];
  /** Of the outputs that are there now. */
  readonly outputSeconds: number;
}

/** The job's output minutes are those of the stage that made most: a film's parts are not counted beside the film. */
export function costOf(stages: readonly StageResults[], prices: Prices): JobCost {
  const costs = stages.map(({ stage, results, outputSeconds }) => ({ stage, ...costOfStage(results, outputSeconds, prices) }));
  const sum = (of: (cost: Cost) => number) => costs.reduce((total, cost) => total + of(cost), 0);
  const usd = hasPrice(prices) ? sum((cost) => cost.usd ?? 0) : null;
  const outputSeconds = Math.max(0, ...stages.map((stage) => stage.outputSeconds));
  return {
    gpuSeconds: sum((cost) => cost.gpuSeconds),
    attempts: sum((cost) => cost.attempts),
    unmeasured: sum((cost) => cost.unmeasured),
    ...perMinute(usd, outputSeconds),
    stages: costs,
  };
}

function costOfStage(results: readonly MeasuredResult[], outputSeconds: number, prices: Prices): Cost {
  const ran = results.filter(({ status }) => status !== 'refused');
  let gpuSeconds = 0;
  let usd = 0;
  for (const run of runsOf(ran)) {
    const seconds = secondsOfRun(run);
    gpuSeconds += seconds;
    usd += seconds * priceOf(prices, run[0]?.endpoint ?? DEFAULT_ENDPOINT);
  }
  const unmeasured = ran.filter((result) => result.runSeconds === undefined && result.executionSeconds === undefined).length;
  return { gpuSeconds, attempts: ran.length, unmeasured, ...perMinute(hasPrice(prices) ? usd : null, outputSeconds) };
}

/** What one result adds, where the others of its run are not known: for counting as results arrive. */
export function gpuSecondsOf({ runSeconds }: MeasuredResult): number {
  return runSeconds ?? 0;
}

export function priceOf(prices: Prices, endpoint: string): number {
  return (Object.hasOwn(prices, endpoint) ? prices[endpoint] : prices[DEFAULT_ENDPOINT]) ?? 0;
}

const hasPrice = (prices: Prices): boolean => Object.keys(prices).length > 0;

/** A run is paid once, however many items it carried. */
function runsOf(results: readonly MeasuredResult[]): Iterable<readonly MeasuredResult[]> {
  const runs = new Map<string, MeasuredResult[]>();
  results.forEach((result, index) => {
    const id = result.runId ?? `without a run ${index}`;
    const run = runs.get(id);
    if (run === undefined) runs.set(id, [result]);
    else run.push(result);
  });
  return runs.values();
}

/** RunPod's own count of the whole run where it was seen; never less than what its items add up to. */
function secondsOfRun(run: readonly MeasuredResult[]): number {
  const shares = run.reduce((total, { runSeconds }) => total + (runSeconds ?? 0), 0);
  return Math.max(shares, ...run.map(({ executionSeconds }) => executionSeconds ?? 0));
}

function perMinute(usd: number | null, outputSeconds: number): Pick<Cost, 'usd' | 'outputMinutes' | 'usdPerOutputMinute'> {
  const outputMinutes = outputSeconds / 60;
  return { usd, outputMinutes, usdPerOutputMinute: usd === null || outputMinutes === 0 ? null : usd / outputMinutes };
}

/** A cost as documents show it: `status --json`, the API. Dollars to a millionth, seconds to a thousandth. */
export function costDocument({ stages, ...total }: JobCost) {
  return { ...figuresOf(total), stages: stages.map(({ stage, ...cost }) => ({ name: stage, ...figuresOf(cost) })) };
}

function figuresOf({ gpuSeconds, usd, attempts, unmeasured, outputMinutes, usdPerOutputMinute }: Cost) {
  return {
    gpu_sec: rounded(gpuSeconds, 3),
    usd: usd === null ? null : rounded(usd, 6),
    ...{ attempts, unmeasured },
    output_minutes: rounded(outputMinutes, 4),
    usd_per_output_minute: usdPerOutputMinute === null ? null : rounded(usdPerOutputMinute, 6),
  };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
