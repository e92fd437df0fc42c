/** `cancel.json`: stops the job. While it lies there nothing is dispatched, and what runs is cancelled. */
import { z } from 'zod';

export const Cancel = z.strictObject({
  $schema: z.string().optional(),
  reason: z.string({ error: 'expected text' }).max(1000).optional().describe('Why, for whoever reads it later.'),
});
export type Cancel = z.infer<typeof Cancel>;
