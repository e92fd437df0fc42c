/** Names inside a job: its id, and keys relative to its folder. */
import { z } from 'zod';

export const JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export const JobId = z.string({ error: 'expected a job id' }).regex(JOB_ID_PATTERN, {
  error: 'expected a job id: a letter or digit, then at most 127 letters, digits, dots, dashes or underscores',
});
export type JobId = z.infer<typeof JobId>;

/** S3's own limit for a whole key is 1024 bytes; what lies in front of a job's keys must fit too. */
const MAX_JOB_KEY_CHARACTERS = 700;

/** True where `key` stays inside the job's folder when it is appended to it: no empty, `.` or `..` part, no control character. */
export function isJobKey(key: string): boolean {
  if (key.length === 0 || key.length > MAX_JOB_KEY_CHARACTERS) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f\\]/.test(key)) return false;
  return key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Folders of a job that only Millrace writes. */
export const RESERVED_FOLDERS = ['results/', 'problems/'] as const;

export function isReservedKey(key: string): boolean {
  return RESERVED_FOLDERS.some((folder) => key.startsWith(folder));
}

/** A key inside the job's folder that a manifest may name as a place to write to. */
export const OutputKey = z
  .string({ error: "expected a key inside the job's folder" })
  .refine(isJobKey, {
    error: "expected a key inside the job's folder, such as inputs/audio/master.m4a (no leading slash, no ..)",
  })
  .refine((key) => !isReservedKey(key), { error: 'expected a key outside results/ and problems/, which Millrace writes itself' });
