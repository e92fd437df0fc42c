/** `GET /api/jobs`: the jobs in the bucket, a page at a time. */
import { z } from 'zod';
import { JobId } from '../../manifests/job-key.ts';
import { wholeNumber } from './query.ts';

export const JOB_STATES = ['empty', 'working', 'waiting', 'held', 'done', 'failed', 'cancelled'] as const;
export const DEFAULT_JOBS = 20;
export const MAX_JOBS = 100;

export const JobsQuery = z.object({
  limit: wholeNumber(1, MAX_JOBS).optional().describe(`At most so many jobs; ${DEFAULT_JOBS} unless given.`),
  after: JobId.optional().describe('The last job of the page before.'),
});

export const Time = z.iso.datetime().describe('In UTC, as 2026-11-27T06:26:42.000Z.');

export const JobTimes = z.object({
  created_at: Time.nullable().describe("The oldest object of the job's folder; null where there is none."),
  updated_at: Time.nullable().describe('The newest.'),
});

/** Items by their phase, all stages of a job together. */
export const ItemCounts = z.object({
  total: z.int(),
  done: z.int(),
  running: z.int(),
  dispatch: z.int(),
  held: z.int(),
  retrying: z.int(),
  waiting: z.int(),
  failed: z.int(),
  removed: z.int(),
  external: z.int(),
  cancelled: z.int(),
  unknown: z.int(),
});

export const JobSummary = z
  .object({
    job_id: z.string(),
    state: z.enum(JOB_STATES),
    counts: ItemCounts.describe('Items of all stages together.'),
    problems: z.int().describe('How many manifests and inputs cannot be accepted.'),
    ...JobTimes.shape,
    links: z.object({ self: z.string(), events: z.string() }),
  })
  .meta({ id: 'JobSummary' });
export type JobSummary = z.infer<typeof JobSummary>;

export const JobList = z
  .object({
    jobs: z.array(JobSummary).describe('In the order of their ids.'),
    next: z.string().nullable().describe('The link of the next page; null at the end.'),
  })
  .meta({ id: 'JobList' });
export type JobList = z.infer<typeof JobList>;
