/** `GET /api/jobs/{job_id}` and its events: one job, its stages, and a page of its items. */
import { z } from 'zod';
import { StageName } from '../../manifests/pipeline.ts';
import { Problem } from '../../manifests/problem.ts';
import { RESULT_STATUSES } from '../../manifests/result.ts';
import { DEFAULT_MAX_RESULTS } from '../../pipeline/job-cost.ts';
import { JobCostView } from './cost.ts';
import { ItemCounts, JOB_STATES, JobTimes, Time } from './jobs.ts';
import { commaList, flag, wholeNumber } from './query.ts';

export const ITEM_PHASES = [
  'done',
  'running',
  'dispatch',
  'held',
  'retrying',
  'waiting',
  'failed',
  'removed',
  'external',
  'cancelled',
  'unknown',
] as const;
export const STAGE_PHASES = ['off', 'blocked', 'waiting', 'active'] as const;

export const DEFAULT_ITEMS = 50;
export const MAX_ITEMS = 500;
/** Of the items that somebody must see to, so many stand in every view of the job. */
export const MAX_ATTENTION = 20;
/** Of one item; the newest. */
export const MAX_ATTEMPTS = 20;

/** `<stage>/<item>`: where the page before ended. */
const ItemCursor = z.string().regex(/^[a-z][a-z0-9-]{0,62}\/\d{1,9}$/, { error: 'expected STAGE/ITEM, such as segmentation/57' });

export const JobQuery = z.object({
  stage: StageName.optional().describe('Items of this stage only.'),
  phase: commaList(
    z.enum(ITEM_PHASES, { error: `expected phases (${ITEM_PHASES.join(', ')}), comma-separated` }),
    ITEM_PHASES.length,
  )
    .optional()
    .describe('Items in these phases only, comma-separated.'),
  limit: wholeNumber(0, MAX_ITEMS).optional().describe(`At most so many items; ${DEFAULT_ITEMS} unless given.`),
  after: ItemCursor.optional().describe('The last item of the page before, as segmentation/57.'),
  cost: flag
    .optional()
    .describe(
      `true: read every result for the cost; false: none. Without it they are read where at most ${DEFAULT_MAX_RESULTS} are new.`,
    ),
});
export type JobQuery = z.infer<typeof JobQuery>;

export const ItemError = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  fix: z.string().nullable(),
});

export const JobFile = z.object({
  key: z.string().describe("Relative to the job's folder."),
  uri: z.string(),
  href: z.string().describe('Where this API serves it.'),
  size_bytes: z.int(),
  media_type: z.string().describe('By its name.'),
  updated_at: Time,
});

export const ItemAttempt = z.object({
  attempt: z.int(),
  status: z
    .enum(['claimed', 'running', ...RESULT_STATUSES])
    .describe('claimed: about to be given to RunPod; running: RunPod has it; otherwise how it ended.'),
  at: Time.nullable().describe('Since when.'),
  outdated: z.boolean().describe('Made for inputs or parameters that have changed since.'),
});

export const Item = z
  .object({
    stage: z.string(),
    item: z.string().describe("The item's number: 0, 1, …"),
    phase: z.enum(ITEM_PHASES),
    why: z.string(),
    attempt: z.int().describe('The attempt that runs, failed last, or comes next; 0 where there is none.'),
    attempts: z.array(ItemAttempt).describe(`In their order; the last ${MAX_ATTEMPTS}.`),
    error: ItemError.nullable().describe('Why its last attempt failed.'),
    advice: z.string().describe('What to do about it.'),
    output_key: z.string(),
    output: JobFile.nullable().describe('Null until it is there.'),
    links: z.object({ self: z.string() }),
  })
  .meta({ id: 'Item' });
export type Item = z.infer<typeof Item>;

export const StageView = z
  .object({
    name: z.string(),
    phase: z.enum(STAGE_PHASES),
    why: z.string(),
    description: z.string().nullable(),
    maker: z.string().describe('The task (AUDIO_TRIM), `endpoint:<name>`, or `external`.'),
    after: z.array(z.string()).describe('The stages whose outputs it reads: the edges of the graph.'),
    output_key: z.string().describe('With `${index}` where it fans out.'),
    counts: ItemCounts,
  })
  .meta({ id: 'StageView' });

export const ProblemView = Problem.pick({ code: true, keys: true, message: true, errors: true, fix: true });

/** What the events send too: bounded whatever the size of the job. */
export const JobView = z
  .object({
    job_id: z.string(),
    state: z.enum(JOB_STATES),
    ended: z.boolean().describe('Nothing more happens by itself.'),
    held_until: Time.nullable().describe('Until when RunPod is left alone after it refused.'),
    waits_for_slots: z.boolean().describe('Its endpoint has as many runs in flight as it may.'),
    cancelled: z.boolean(),
    revision: z.string().describe('Changes whenever anything here or in any item does.'),
    ...JobTimes.shape,
    counts: ItemCounts,
    cost: JobCostView.nullable().describe('What it has cost so far. Null where too many results would have to be read for it.'),
    stages: z.array(StageView).describe('In the order of their dependencies.'),
    problems: z.array(ProblemView),
    attention: z.array(Item).describe(`Items that failed or are gone; at most ${MAX_ATTENTION}. The counts know all.`),
    files: z.array(JobFile).describe('Files of the job that no stage makes, inputs and manifests; at most 100.'),
    links: z.object({
      self: z.string(),
      events: z.string(),
      retry: z.string(),
      cancel: z.string(),
      resume: z.string(),
      files: z.string().describe('In front of a key.'),
    }),
  })
  .meta({ id: 'JobView' });
export type JobView = z.infer<typeof JobView>;

export const JobAnswer = JobView.extend({
  items: z.array(Item).describe('In the order of the stages and their items, as far as they were asked for.'),
  next: z.string().nullable().describe('The link of the next page of items; null at the end.'),
}).meta({ id: 'Job' });
export type JobAnswer = z.infer<typeof JobAnswer>;
