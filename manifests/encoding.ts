/** `stage/encoding/encoding.json`: how the final video is made. It turns on ENCODING. */
import { z } from 'zod';

/** A BCP 47 language tag, as far as a file name needs it: `en`, `pt-BR`, `zh-Hant`. */
export const Language = z
  .string({ error: 'expected a language tag such as "en"' })
  .regex(/^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$/, { error: 'expected a language tag such as "en" or "pt-BR"' });

export const Encoding = z.strictObject({
  $schema: z.string().optional(),
  language: Language.describe('Names the subtitles that are read: inputs/subtitles/<language>.ass.'),
  subtitles: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Burn the subtitles in. ENCODING then waits for inputs/subtitles/<language>.ass.'),
});
export type Encoding = z.infer<typeof Encoding>;
