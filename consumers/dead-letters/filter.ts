/** Which dead letters are meant. */
import { type DeadLetter, textsOf } from './dead-letter.ts';

/** Every field that is there must fit; of a list, one entry. */
export interface LetterFilter {
  readonly ids?: readonly string[] | undefined;
  readonly jobs?: readonly string[] | undefined;
  readonly stages?: readonly string[] | undefined;
  /** Codes. */
  readonly codes?: readonly string[] | undefined;
  /** Dead-lettered then or later; milliseconds since 1970. What bears no time does not fit. */
  readonly sinceMs?: number | undefined;
  /** Looked for in the body, in the text of the attributes and in the reason. Must not be global or sticky. */
  readonly pattern?: RegExp | undefined;
}

export function matches(letter: DeadLetter, { ids, jobs, stages, codes, sinceMs, pattern }: LetterFilter): boolean {
  return (
    isOneOf([letter.id], ids) &&
    isOneOf(letter.jobs, jobs) &&
    isOneOf(letter.stages, stages) &&
    isOneOf([letter.code], codes) &&
    (sinceMs === undefined || (letter.atMs !== undefined && letter.atMs >= sinceMs)) &&
    (pattern === undefined ||
      [letter.body, letter.reason, ...Object.values(textsOf(letter.attributes))].some((text) => pattern.test(text)))
  );
}

/** True for a filter that lets everything through. */
export function isOpen(filter: LetterFilter): boolean {
  return Object.values(filter).every((value) => value === undefined || (Array.isArray(value) && value.length === 0));
}

function isOneOf(found: readonly string[], wanted: readonly string[] | undefined): boolean {
  return wanted === undefined || wanted.length === 0 || found.some((value) => wanted.includes(value));
}
