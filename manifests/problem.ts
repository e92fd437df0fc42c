/** The problem object: `problems/<name>.<version>.json`, written beside what its author must mend. Created once. */
import { z } from 'zod';

export const Problem = z.object({
  version: z.literal(1),
  job: z.string(),
  code: z.string(),
  /** The keys, relative to the job's folder, that it is about. */
  keys: z.array(z.string()),
  message: z.string(),
  /** One line per wrong field: `segments[57].duration_sec: expected a number above 0, found -2`. */
  errors: z.array(z.object({ field: z.string(), expected: z.string(), found: z.string(), text: z.string() })),
  /** What to do. */
  fix: z.string(),
  found_at: z.iso.datetime(),
});
export type Problem = z.infer<typeof Problem>;
