/** The problem object: `problems/<name>.<version>.json`, written beside what its author must mend. Created once. */
import { z } from 'zod';
import { Timestamp } from './timestamp.ts';

export const Problem = z.object({
  version: z.literal(1),
  job: z.string(),
  code: z.string(),
  keys: z.array(z.string()).describe("The keys, relative to the job's folder, that it is about."),
  message: z.string(),
  errors: z
    .array(z.object({ field: z.string(), expected: z.string(), found: z.string(), text: z.string() }))
    .describe('One per wrong field; text is segments[57].duration_sec: expected a number above 0, found -2.'),
  fix: z.string().describe('What to do.'),
  found_at: Timestamp,
});
export type Problem = z.infer<typeof Problem>;
