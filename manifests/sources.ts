/** `inputs/sources.json`: files to fetch into the job. It turns on STAGE_OBJECT, one item per source. */
import { z } from 'zod';
import { OutputKey } from './job-key.ts';

export const Source = z
  .strictObject({
    source_uri: z
      .string({ error: 'expected an https://, http://, s3:// or gs:// URI' })
      .regex(/^(https?|s3|gs):\/\/[^\s]+$/, { error: 'expected an https://, http://, s3:// or gs:// URI' })
      .describe('Where the file is now. s3:// and gs:// URIs stay inside this job unless the operator allows more.'),
    dest_key: OutputKey.describe("Where it goes, relative to the job's folder."),
    content_type: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-]+(;.*)?$/, { error: 'expected a media type such as audio/mp4' })
      .optional()
      .describe('The Content-Type to store; taken from the source, then from the key, unless given.'),
  })
  .describe('One file to fetch.');
export type Source = z.infer<typeof Source>;

export const Sources = z.strictObject({
  $schema: z.string().optional(),
  sources: z
    .array(Source, { error: 'expected an array of sources' })
    .min(1, { error: 'expected at least one source' })
    .max(10_000, { error: 'expected at most 10000 sources' }),
});
export type Sources = z.infer<typeof Sources>;
