/** Text that strangers wrote, for a terminal: whoever may send to a queue chose it, escape sequences included. */

const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Control and formatting characters as `\u…`, and no longer than `most` characters. */
export function shown(text: string, most = Number.POSITIVE_INFINITY): string {
  // One more than is kept, so that what is cut is known to be cut; escaping a megabyte first would be for nothing.
  const start = Number.isFinite(most) ? text.slice(0, most + 1) : text;
  const plain = start.replaceAll(HIDDEN, (character) => `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0') ?? ''}`);
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}

/** The same for text of several lines: those stay. */
export function shownLines(text: string): string {
  return text
    .split('\n')
    .map((line) => shown(line.endsWith('\r') ? line.slice(0, -1) : line))
    .join('\n');
}

/** `2026-11-25 20:41:07Z`, `-` where nobody knows. */
export function shownTime(ms: number | undefined): string {
  return ms === undefined
    ? '-'
    : new Date(ms)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z');
}
