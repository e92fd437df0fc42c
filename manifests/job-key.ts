/** Names inside a job: its id, and keys relative to its folder. */
import { z } from 'zod';

export const JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export const JobId = z.string({ error: 'expected a job id' }).regex(JOB_ID_PATTERN, {
  error: 'expected a job id: a letter or digit, then at most 127 letters, digits, dots, dashes or underscores',
});
export type JobId = z.infer<typeof JobId>;

/** S3's own limit for a whole key is 1024 bytes; what lies in front of a job's keys must fit too. */
export const MAX_JOB_KEY_CHARACTERS = 700;

/**
 * Parts joined by single slashes; none is empty, `.` or `..`, none holds a backslash or a control character. One
 * pattern and no code, so that the JSON Schemas say it too. Every character class is disjoint from the slash: no
 * text makes it backtrack.
 */
const JOB_KEY_PATTERN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  /^(?!\.{1,2}(?:\/|$))[^/\\\u0000-\u001f\u007f]+(?:\/(?!\.{1,2}(?:\/|$))[^/\\\u0000-\u001f\u007f]+)*$/;

/** True where `key` stays inside the job's folder when it is appended to it. */
export function isJobKey(key: string): boolean {
  return key.length <= MAX_JOB_KEY_CHARACTERS && JOB_KEY_PATTERN.test(key);
}

/** Not in the folders of a job that only Millrace writes. */
const NOT_RESERVED_PATTERN = /^(?!results\/|problems\/|webhooks\/)/;

export function isReservedKey(key: string): boolean {
  return !NOT_RESERVED_PATTERN.test(key);
}

/** Text that is a key inside the job's folder, outside what only Millrace writes. `${…}` counts as plain characters. */
export const jobKey = () => {
  const error = "expected a key inside the job's folder, such as inputs/audio/master.m4a (no leading slash, no ..)";
  return z
    .string({ error })
    .max(MAX_JOB_KEY_CHARACTERS, { error: `expected a key of at most ${MAX_JOB_KEY_CHARACTERS} characters` })
    .regex(JOB_KEY_PATTERN, { error })
    .regex(NOT_RESERVED_PATTERN, {
      error: 'expected a key outside results/, problems/ and webhooks/, which Millrace writes itself',
    });
};

/** A key inside the job's folder that a manifest may name as a place to write to. */
export const OutputKey = jobKey();
