/** Values that queries share: they come as text. */
import { z } from 'zod';

/** Digits on the wire, a number in the program. */
export function wholeNumber(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z
    .string({ error })
    .regex(/^\d{1,15}$/, { error })
    .refine((text) => Number(text) >= least && Number(text) <= most, { error })
    .meta({ type: 'integer', minimum: least, maximum: most })
    .transform(Number);
}

/** No enum of texts: in OpenAPI it would stand beside the type boolean, and nothing be allowed. */
export const flag = z
  .string({ error: 'expected true or false' })
  .regex(/^(true|false)$/, { error: 'expected true or false' })
  .meta({ type: 'boolean' })
  .transform((text) => text === 'true');

/** Several, comma-separated. */
export function commaList<T extends z.ZodType<string, string>>(entry: T, most: number) {
  const error = `expected at most ${most} values, comma-separated`;
  return z
    .string({ error })
    .max(8192, { error })
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(entry).max(most, { error }));
}
