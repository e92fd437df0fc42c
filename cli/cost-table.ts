/** What a job has cost so far, as lines: what `status` prints below its table. */
import type { Cost, JobCost } from '../pipeline/cost.ts';
import { formatTable } from './terminal.ts';

/** One line; none before anything has ended. Null: too many results to be read unasked. */
export function costLine(cost: JobCost | null): string[] {
  if (cost === null) return ['cost: many results would have to be read for it; --cost does'];
  const { attempts, unmeasured } = cost;
  if (attempts === 0) return [];
  const missing = unmeasured === 0 ? '' : `; ${unmeasured} more ended unmeasured`;
  const measured = attempts - unmeasured;
  return [`cost: ${moneyOf(cost)} in ${measured} attempt${measured === 1 ? '' : 's'}${missing}`];
}

export function costTable({ stages }: JobCost): string[] {
  return formatTable(stages.map((stage) => [stage.stage, secondsText(stage.gpuSeconds), ...priceColumns(stage)]));
}

function moneyOf(cost: Cost): string {
  if (cost.usd === null) return `${secondsText(cost.gpuSeconds)} of GPU time (MILLRACE_GPU_PRICE_PER_SECOND makes dollars of it)`;
  const perMinute = cost.usdPerOutputMinute === null ? '' : `, ${dollars(cost.usdPerOutputMinute)} per output minute`;
  return `about ${dollars(cost.usd)}${perMinute}, ${secondsText(cost.gpuSeconds)} of GPU time`;
}

function priceColumns({ usd, usdPerOutputMinute }: Cost): string[] {
  if (usd === null) return [];
  return [dollars(usd), usdPerOutputMinute === null ? '' : `${dollars(usdPerOutputMinute)} per output minute`];
}

const secondsText = (seconds: number): string => `${seconds.toFixed(1)} s`;

/** Runs cost fractions of a cent. */
function dollars(usd: number): string {
  const maximumFractionDigits = usd >= 1 ? 2 : 6;
  return new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumFractionDigits }).format(usd);
}
