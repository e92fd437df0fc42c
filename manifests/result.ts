/** The result object: written when an item ends, under `results/<stage>/<item>/<fingerprint>.<attempt>.<status>.json`. */
import { z } from 'zod';

export const RESULT_STATUSES = ['succeeded', 'failed', 'cancelled', 'refused'] as const;
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
  attempt: z.int().min(1),
  task: z.string().optional(),
  /** Who wrote it: the worker, or a consumer on the run's behalf. */
  written_by: z.enum(['worker', 'consumer']),
  worker_id: z.string().optional(),
  run_id: z.string().optional(),
  finished_at: z.iso.datetime(),
  /** Wall time of the item in the worker, in seconds. */
  worker_sec: z.number().min(0).optional(),
  /** What the task answered: `output_uri` and its measurements. */
  output: z.record(z.string(), z.unknown()).optional(),
  error: ResultError.optional(),
});
export type Result = z.infer<typeof Result>;
