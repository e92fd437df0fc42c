/** `cancel.json`: stops the job. While it lies there nothing is dispatched, and what runs is cancelled. */
import { z } from 'zod';

export const Cancel = z.strictObject({
  $schema: z.string().optional(),
  reason: z
    .string()
    .max(1000)
    .optional()
    .meta({ description: 'Why, for whoever reads it later.', examples: ['Wrong master.'] }),
});
export type Cancel = z.infer<typeof Cancel>;
