/** What can be asked of a job, and what is answered. `reconciled` false: asked for, and done by a consumer or a moment later. */
import { z } from 'zod';
import { StageName } from '../../manifests/pipeline.ts';

const MAX_ITEMS = 100_000;
/** Of what was retried, so many are named. */
export const MAX_NAMED = 100;

const Reconciled = z.boolean().describe('Whether the job has been looked at since. Where not, a consumer does it.');

export const RetryRequest = z
  .strictObject({
    stage: StageName.optional().describe('This stage only.'),
    items: z.array(z.int().min(0).max(1_000_000)).min(1).max(MAX_ITEMS).optional().describe('These items only.'),
  })
  .meta({ id: 'RetryRequest', examples: [{ stage: 'segmentation', items: [57] }] });

export const RetryAnswer = z
  .object({
    job_id: z.string(),
    retried: z.int().describe('How many items had failed for good, were gone, or waited to be tried again.'),
    items: z.array(z.object({ stage: z.string(), item: z.string(), after_attempt: z.int() })).describe(`At most ${MAX_NAMED}.`),
    reconciled: Reconciled,
  })
  .meta({ id: 'RetryAnswer' });

export const CancelRequest = z
  .strictObject({ reason: z.string().min(1).max(1000).optional().describe('Why, for whoever reads cancel.json later.') })
  .meta({ id: 'CancelRequest', examples: [{ reason: 'Wrong master.' }] });

export const CancelAnswer = z
  .object({
    job_id: z.string(),
    was_cancelled: z.boolean().describe('It was cancelled before; who cancelled first said why.'),
    reconciled: Reconciled,
  })
  .meta({ id: 'CancelAnswer' });

export const ResumeRequest = z.strictObject({}).meta({ id: 'ResumeRequest' });

export const ResumeAnswer = z
  .object({ job_id: z.string(), was_cancelled: z.boolean(), reconciled: Reconciled })
  .meta({ id: 'ResumeAnswer' });

export const DeleteAnswer = z
  .object({
    job_id: z.string(),
    deleted_objects: z.int().describe("Of the job's folder."),
    deleted_state_objects: z.int(),
    running: z.int().describe('Items whose runs have not stopped yet: nothing is deleted before they have.'),
    finished: z.boolean().describe('False (with 202): ask again, and it goes on.'),
  })
  .meta({ id: 'DeleteAnswer' });
