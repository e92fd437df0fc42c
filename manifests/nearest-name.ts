/** "Did you mean": the known name that a misspelt one is close to. */

/** Longer names are not compared: the cost is the product of both lengths. */
const MAX_NAME_CHARACTERS = 64;

const MAX_SLIPS = 2;

/** Fewer characters begin too many names. */
const MIN_BEGINNING = 4;

/**
 * The candidate within two slips of `name` (one in three characters at most), or that it is the beginning of
 * (`duration` for `duration_sec`), or that differs only in its style; else undefined.
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (name.length === 0 || name.length > MAX_NAME_CHARACTERS) return undefined;
  let best: { readonly candidate: string; readonly slips: number } | undefined;
  for (const candidate of candidates) {
    const slips = slipsOf(plain(name), plain(candidate));
    const allowed = Math.min(MAX_SLIPS, Math.floor(Math.min(name.length, candidate.length) / 3));
    if (slips <= allowed && (best === undefined || slips < best.slips)) best = { candidate, slips };
  }
  return best?.candidate;
}

function slipsOf(name: string, candidate: string): number {
  const isBeginning = name.length >= MIN_BEGINNING && candidate.startsWith(name) && candidate !== name;
  return isBeginning ? 1 : slipsBetween(name, candidate);
}

/** `startSec`, `start-sec` and `start_sec` are one name in three styles. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** Letters left out, added, changed or swapped with their neighbour (the optimal string alignment distance). */
function slipsBetween(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const changed = at(last, column - 1) + (left[row - 1] === right[column - 1] ? 0 : 1);
      const swapped =
        left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1] ? at(beforeLast, column - 2) + 1 : Infinity;
      current.push(Math.min(changed, swapped, at(last, column) + 1, at(current, column - 1) + 1));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, right.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
