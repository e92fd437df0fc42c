/** Where the demo's own log lines and its workers' go, so that the terminal is for what matters. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface LogFile {
  readonly path: string;
  /** A line with or without its line break. */
  write(line: string): void;
  /** The last lines, oldest first. */
  tail(lines: number): string[];
  close(): void;
}

/** Written at once, line by line: what was logged just before the end is what explains it. */
export function openLogFile(path: string): LogFile {
  const file = openSync(path, 'a');
  let isOpen = true;
  return {
    path,
    write(line) {
      if (isOpen) writeSync(file, line.endsWith('\n') ? line : `${line}\n`);
    },
    tail(lines) {
      return readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .slice(-lines);
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}
