/** `stage/encoding/encoding.json`: how the final video is made. It turns on ENCODING. */
import { z } from 'zod';

const LANGUAGE_ERROR = 'expected a language tag such as "en" or "pt-BR"';

/** A BCP 47 language tag, as far as a file name needs it: `en`, `pt-BR`, `zh-Hant`. */
export const Language = z
  .string({ error: LANGUAGE_ERROR })
  .regex(/^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$/, { error: LANGUAGE_ERROR });

export const Encoding = z.strictObject({
  $schema: z.string().optional(),
  language: Language.meta({
    description: 'Names the subtitles that are read: inputs/subtitles/<language>.ass.',
    examples: ['en', 'pt-BR'],
  }),
  subtitles: z
    .boolean()
    .default(false)
    .describe('Burn the subtitles in. ENCODING then waits for inputs/subtitles/<language>.ass.'),
});
export type Encoding = z.infer<typeof Encoding>;
