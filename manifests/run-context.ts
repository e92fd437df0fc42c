/**
 * What a task may carry beside its own parameters, under `millrace`: which item it is, where its result goes, and which
 * versions of its inputs it was planned with. A payload without it (the original template's) works the same and
 * writes no result.
 */
import { z } from 'zod';
import { AttemptNumber } from './numbers.ts';
import { PutUrl } from './uris.ts';

const Etag = z.union([z.string(), z.null(), z.array(z.string().nullable())], {
  error: 'expected an ETag, null, or an array of these',
});

export const RunContext = z
  .object({
    job: z.string(),
    stage: z.string(),
    item: z.string(),
    fingerprint: z.string(),
    attempt: AttemptNumber,
    output_put_headers: z
      .record(z.string(), z.string())
      .optional()
      .describe("Headers that the presigned output PUT was signed with (the writer's mark among them)."),
    output_uri: z
      .string()
      .optional()
      .describe('Where the output is, without a signature: what output_uri answers where only output_put_url was given.'),
    succeeded_put_url: PutUrl.optional().describe('Where the result goes if the item succeeds.'),
    failed_put_url: PutUrl.optional().describe('Where the result goes if it fails.'),
    input_etags: z
      .record(z.string(), Etag)
      .optional()
      .describe(
        "For a parameter that holds an input's URI: the ETag it must still have (null where none is known), or one per entry.",
      ),
    traceparent: z.string().optional().describe('The W3C trace context that the run belongs to.'),
  })
  .meta({ id: 'RunContext', description: 'Which item this is, and where its result goes. Leave it out to write no result.' });
export type RunContext = z.infer<typeof RunContext>;
