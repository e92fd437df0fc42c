import { expect, it } from 'vitest';
import { costLine, costTable } from '../../../cli/cost-table.ts';
import type { JobCost } from '../../../pipeline/cost.ts';

const figures = { gpuSeconds: 135.8, usd: 0.0421, attempts: 212, unmeasured: 0, outputMinutes: 4, usdPerOutputMinute: 0.010525 };
const cost: JobCost = {
  ...figures,
  stages: [
    { stage: 'cut', ...figures, usdPerOutputMinute: null },
    { stage: 'encoding', ...figures, usd: 12.345 },
  ],
};

it('a cost is one line, in dollars where there is a price', () => {
  expect(costLine(cost)).toEqual(['cost: about $0.0421, $0.010525 per output minute, 135.8 s of GPU time in 212 attempts']);
  expect(costLine({ ...cost, usd: null, usdPerOutputMinute: null, attempts: 3, unmeasured: 2 })).toEqual([
    'cost: 135.8 s of GPU time (MILLRACE_GPU_PRICE_PER_SECOND makes dollars of it) in 1 attempt; 2 more ended unmeasured',
  ]);
});

it('nothing is said before anything has ended, and what to do where it was not read', () => {
  expect(costLine({ ...cost, attempts: 0 })).toEqual([]);
  expect(costLine(null)).toEqual(['cost: many results would have to be read for it; --cost does']);
});

it('each stage has its row', () => {
  expect(costTable(cost)).toEqual(['cut       135.8 s  $0.0421', 'encoding  135.8 s  $12.35   $0.010525 per output minute']);
});
