/** What commands print with. Data goes to stdout, everything about the work to stderr. */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export interface Terminal {
  /** A line of data. */
  readonly print: (line: string) => void;
  /** A line for the person who waits. */
  readonly note: (line: string) => void;
  /** Styled where stdout is a terminal and NO_COLOR is not set. */
  readonly style: (style: Style, text: string) => string;
  /** True where lines can be drawn over. */
  readonly isLive: boolean;
  /** Draws lines over those drawn last. Only where `isLive`. */
  readonly redraw: (lines: readonly string[]) => void;
}

export function createTerminal(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Terminal {
  const isLive = stdout.isTTY === true && process.env.TERM !== 'dumb';
  let drawnLines = 0;
  return {
    print: (line) => stdout.write(`${line}\n`),
    note: (line) => stderr.write(`${line}\n`),
    // styleText looks at NO_COLOR, FORCE_COLOR and the stream itself.
    style: (style, text) => styleText(style, text, { stream: stdout }),
    isLive,
    redraw(lines) {
      // A terminal that was never told its size says 0.
      const width = stdout.columns || DEFAULT_COLUMNS;
      const up = drawnLines === 0 ? '' : `\u001b[${drawnLines}A`;
      stdout.write(`${up}\u001b[J${lines.map((line) => `${cut(line, width)}\n`).join('')}`);
      drawnLines = lines.length;
    },
  };
}

const DEFAULT_COLUMNS = 80;

/** A line that wrapped would be drawn over wrongly. */
function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : `${plain.slice(0, Math.max(0, width - 1))}…`;
}

const BAR_CHARACTERS = 20;

/** `████████░░░░`, `share` from 0 to 1. */
export function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_CHARACTERS);
  return '█'.repeat(filled) + '░'.repeat(BAR_CHARACTERS - filled);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${UNITS[power]}`;
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => visibleLength(row[column] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell))))
      .join('  ')
      .trimEnd(),
  );
}

const visibleLength = (text: string): number => stripVTControlCharacters(text).length;
