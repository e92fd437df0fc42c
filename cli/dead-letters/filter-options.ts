/** The options that say which dead letters are meant; the same for every command. */
import { type Command, InvalidArgumentError } from 'commander';
import type { LetterFilter } from '../../consumers/dead-letters/filter.ts';
import { jobArgument } from '../job-argument.ts';
import { wholeNumber } from '../number-argument.ts';
import { sinceArgument } from '../since-argument.ts';

export interface FilterOptions {
  readonly job?: readonly string[];
  readonly stage?: readonly string[];
  readonly reason?: readonly string[];
  readonly since?: number;
  readonly grep?: RegExp;
  readonly id?: readonly string[];
  readonly limit?: number;
}

const MAX_LIMIT = 1_000_000_000;

export function addFilterOptions(command: Command): Command {
  return command
    .option('--job <job>', 'those of this job (may be repeated)', collect(jobArgument))
    .option('--stage <stage>', 'those about this stage, or inputs, or exports (may be repeated)', collect(asIs))
    .option('--reason <code>', 'those with this reason, such as MESSAGE_NOT_JSON (may be repeated)', collect(code))
    .option('--since <when>', 'those dead-lettered since: 90m, 2h, 3d, or a date', sinceArgument)
    .option('--grep <pattern>', 'those whose body, attributes or reason match this regular expression', pattern)
    .option('--id <id>', 'the one with this id (may be repeated)', collect(asIs))
    .option('--limit <n>', 'no more than n letters', wholeNumber(1, MAX_LIMIT));
}

export function filterOf({ job, stage, reason, since: sinceMs, grep, id }: FilterOptions): LetterFilter {
  return { jobs: job, stages: stage, codes: reason, sinceMs, pattern: grep, ids: id };
}

function collect(parse: (text: string) => string) {
  return (text: string, before: readonly string[] = []): readonly string[] => [...before, parse(text)];
}

const asIs = (text: string): string => text;
const code = (text: string): string => text.toUpperCase();

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('expected a regular expression');
  }
}
