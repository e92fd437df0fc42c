import { InvalidArgumentError } from 'commander';

const SPAN = /^(\d{1,9})(?:-(\d{1,9}))?$/;
/** As many as a manifest may have at most. */
const MAX_ITEMS = 1_000_000;

/** Parses `57` or `0-4,7` on the command line: the form in which `millrace plan` prints items. */
export function itemNumbers(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const [, first, last = first] = SPAN.exec(part.trim()) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || to < from || to - from >= MAX_ITEMS) {
      throw new InvalidArgumentError(`expected items such as 57 or 0-4,7, found ${JSON.stringify(text)}`);
    }
    for (let number = from; number <= to; number += 1) numbers.add(number);
  }
  return numbers;
}
