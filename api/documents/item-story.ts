/** `GET /api/jobs/{job_id}/items/{stage}/{item}`: what happened to one item, from its claim to its end. */
import { z } from 'zod';
import { Item } from './job.ts';
import { Time } from './jobs.ts';

export const StoryView = Item.extend({
  job_id: z.string(),
  fingerprint: z.string().describe('Of what is wanted now: task, parameters and inputs. Empty where it has none.'),
  mark: z
    .enum(['none', 'unmarked', 'current', 'outdated'])
    .describe(
      'none: no output; unmarked: somebody put it there; current: made from what is wanted now; outdated: made from something else.',
    ),
  story: z.array(
    z.object({
      at: Time,
      attempt: z.int().describe('0 for what is about no attempt.'),
      what: z.string(),
      outdated: z.boolean(),
    }),
  ),
  runs: z
    .array(z.object({ run_id: z.string(), endpoint: z.string(), says: z.string() }))
    .describe('Runs that have left no result, and what RunPod says of them.'),
  circumstances: z
    .array(z.string())
    .describe('Sentences about what holds it up that its own attempts do not tell: slots, a cancellation, other items.'),
}).meta({ id: 'ItemStory' });
export type StoryView = z.infer<typeof StoryView>;
