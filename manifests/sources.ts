/** `inputs/sources.json`: files to fetch into the job. It turns on STAGE_OBJECT, one item per source. */
import { z } from 'zod';
import { OutputKey } from './job-key.ts';
import { InputUri, MediaType } from './uris.ts';

const MAX_SOURCES = 10_000;

export const Source = z
  .strictObject({
    source_uri: InputUri.meta({
      description: 'Where the file is now. s3:// and gs:// URIs stay inside this job unless the operator allows more.',
      examples: ['https://media.example.com/master.m4a'],
    }),
    dest_key: OutputKey.meta({
      description: "Where it goes, relative to the job's folder.",
      examples: ['inputs/audio/master.m4a', 'inputs/video/source.mp4', 'inputs/subtitles/en.ass'],
    }),
    content_type: MediaType.optional().describe(
      'The Content-Type to store; taken from the source, then from the key, unless given.',
    ),
  })
  .describe('One file to fetch.');
export type Source = z.infer<typeof Source>;

export const Sources = z.strictObject({
  $schema: z.string().optional(),
  sources: z
    .array(Source, { error: 'expected an array of sources' })
    .min(1, { error: 'expected at least one source' })
    .max(MAX_SOURCES, { error: `expected at most ${MAX_SOURCES} sources` })
    .superRefine((sources, context) => {
      // Two sources with one key would take turns overwriting each other.
      const firstWith = new Map<string, number>();
      for (const [index, { dest_key: key }] of sources.entries()) {
        const first = firstWith.get(key);
        if (first === undefined) firstWith.set(key, index);
        else
          context.addIssue({ code: 'custom', path: [index, 'dest_key'], message: `expected another key than sources[${first}]` });
      }
    }),
});
export type Sources = z.infer<typeof Sources>;
