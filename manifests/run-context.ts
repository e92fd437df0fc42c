/**
 * What a task may carry beside its own parameters, under `millrace`: which item it is, where its result goes, and which
 * versions of its inputs it was planned with. A payload without it (the original template's) works the same and
 * writes no result.
 */
import { z } from 'zod';

const HttpUrl = z.string().regex(/^https?:\/\/[^\s]+$/, { error: 'expected an http(s) URL' });

export const RunContext = z.object({
  job: z.string(),
  stage: z.string(),
  item: z.string(),
  fingerprint: z.string(),
  attempt: z.int().min(1),
  /** Headers that the presigned output PUT was signed with (the writer's mark among them). */
  output_put_headers: z.record(z.string(), z.string()).optional(),
  /** Where the output is, without a signature: what `output_uri` answers where only `output_put_url` was given. */
  output_uri: z.string().optional(),
  succeeded_put_url: HttpUrl.optional(),
  failed_put_url: HttpUrl.optional(),
  /** For a parameter that holds an input's URI: the ETag it must still have (`null` where none is known), or one per entry. */
  input_etags: z.record(z.string(), z.union([z.string(), z.null(), z.array(z.string().nullable())])).optional(),
  traceparent: z.string().optional(),
});
export type RunContext = z.infer<typeof RunContext>;
