/** The number fields that several documents share. One wording for a wrong type and a wrong value: both say what to write. */
import { z } from 'zod';

/** Seven days. Longer media is a mistake of units, and times 48,000 samples it would leave the safe integers. */
const MAX_MEDIA_SECONDS = 604_800;

const TOO_LONG = { error: `expected a number of at most ${MAX_MEDIA_SECONDS} (seconds; seven days)` };

/** A point of time in a medium, in seconds. */
export const MediaStart = z
  .number({ error: 'expected a number of at least 0' })
  .min(0, { error: 'expected a number of at least 0' })
  .max(MAX_MEDIA_SECONDS, TOO_LONG);

/** A length of time in a medium, in seconds. */
export const MediaDuration = z
  .number({ error: 'expected a number above 0' })
  .positive({ error: 'expected a number above 0' })
  .max(MAX_MEDIA_SECONDS, TOO_LONG);

export function numberBetween(least: number, most: number, unit = '') {
  const error = `expected a number${unit === '' ? '' : ` of ${unit}`} from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

export function wholeNumberBetween(least: number, most: number) {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

const NO_ATTEMPT = 'expected a whole number of at least 1';
export const AttemptNumber = z.int({ error: NO_ATTEMPT }).min(1, { error: NO_ATTEMPT });
