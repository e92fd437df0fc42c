/** What a job has cost so far, as `millrace status --json` shows it too. docs/metrics.md says what is in it and what is not. */
import { z } from 'zod';

const Figures = z.object({
  gpu_sec: z.number().describe('Seconds that workers were at it, as far as they were measured.'),
  usd: z.number().nullable().describe('These seconds times their price; null without MILLRACE_GPU_PRICE_PER_SECOND.'),
  attempts: z.int().describe('Attempts that ended, whatever their end.'),
  unmeasured: z.int().describe('Of these, how many nobody measured: they are not in the seconds.'),
  output_minutes: z.number().describe('What the outputs that are there now play.'),
  usd_per_output_minute: z.number().nullable().describe('Null without a price, and before there is an output that plays.'),
});

export const JobCostView = Figures.extend({
  output_minutes: Figures.shape.output_minutes.describe('Those of the stage that made most.'),
  stages: z.array(z.object({ name: z.string(), ...Figures.shape })).describe('Stages of which an attempt has ended.'),
}).meta({ id: 'JobCost' });
