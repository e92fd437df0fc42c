/** The result object: written when an item ends, under `results/<stage>/<item>/<fingerprint>.<attempt>.<status>.json`. */
import { z } from 'zod';
import { AttemptNumber } from './numbers.ts';
import { Timestamp } from './timestamp.ts';

/** `split`: instead of its output the attempt wrote the chunks that it will be made of. */
export const RESULT_STATUSES = ['succeeded', 'split', 'failed', 'cancelled', 'refused'] as const;
export const ResultStatus = z.enum(RESULT_STATUSES);
export type ResultStatus = z.infer<typeof ResultStatus>;

/** Why an item did not succeed. `code` is one of the codes in errors.ts, or another program's own. */
export const ResultError = z.looseObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  fix: z.string().optional(),
});
export type ResultError = z.infer<typeof ResultError>;

export const Result = z.looseObject({
  version: z.literal(1),
  status: ResultStatus,
  job: z.string(),
  stage: z.string(),
  item: z.string(),
  fingerprint: z.string(),
  attempt: AttemptNumber,
  task: z.string().optional(),
  written_by: z.enum(['worker', 'consumer']).describe("Who wrote it: the worker, or a consumer on the run's behalf."),
  worker_id: z.string().optional(),
  run_id: z.string().optional(),
  finished_at: Timestamp,
  worker_sec: z.number().min(0).optional().describe('Wall time of the item in the worker, in seconds.'),
  run_sec: z
    .number()
    .min(0)
    .optional()
    .describe(
      "The item's share of its run's wall time, in seconds: what the items of a run add up to is how long the worker was at it.",
    ),
  execution_sec: z
    .number()
    .min(0)
    .optional()
    .describe('How long the whole run took as RunPod counts it, in seconds, where its status was seen.'),
  endpoint: z.string().optional().describe('The endpoint that the run was sent to, where a consumer wrote this.'),
  output: z.record(z.string(), z.unknown()).optional().describe('What the task answered: output_uri and its measurements.'),
  error: ResultError.optional(),
});
export type Result = z.infer<typeof Result>;
