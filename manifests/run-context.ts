/**
 * What a task may carry beside its own parameters, under `millrace`: which item it is, where its result goes, and which
 * versions of its inputs it was planned with. A payload without it (the original template's) works the same and
 * writes no result.
 */
import { z } from 'zod';
import { StageChunks } from './chunks.ts';
import { AttemptNumber } from './numbers.ts';
import { PutUrl } from './uris.ts';

const Etag = z.union([z.string(), z.null(), z.array(z.string().nullable())], {
  error: 'expected an ETag, null, or an array of these',
});

const PutHeaders = z.record(z.string(), z.string());

/** What a task may do instead of its work where it finds its source to be long. */
export const SplitOffer = z
  .object({
    ...StageChunks.shape,
    list_put_url: PutUrl.describe('Where the list of the chunks goes.'),
    sound_put_url: PutUrl.describe('Where the sound of the whole goes.'),
    put_headers: PutHeaders.describe('Headers that both were signed with.'),
    split_put_url: PutUrl.describe('Where the result goes then.'),
  })
  .meta({ id: 'SplitOffer' });
export type SplitOffer = z.infer<typeof SplitOffer>;

export const RunContext = z
  .object({
    job: z.string(),
    stage: z.string(),
    item: z.string(),
    fingerprint: z.string(),
    attempt: AttemptNumber,
    output_put_headers: PutHeaders.optional().describe(
      "Headers that the presigned output PUT was signed with (the writer's mark among them).",
    ),
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
    split: SplitOffer.optional().describe('Split a source that is longer than above_sec into chunks instead of encoding it.'),
    traceparent: z.string().optional().describe('The W3C trace context that the run belongs to.'),
  })
  .meta({ id: 'RunContext', description: 'Which item this is, and where its result goes. Leave it out to write no result.' });
export type RunContext = z.infer<typeof RunContext>;
