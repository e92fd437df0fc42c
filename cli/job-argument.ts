import { InvalidArgumentError } from 'commander';
import { JobId } from '../manifests/job-key.ts';

/** Parses a job id on the command line. */
export function jobArgument(text: string): string {
  const parsed = JobId.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? 'expected a job id');
}
