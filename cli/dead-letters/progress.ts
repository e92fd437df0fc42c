/** How far a run is, on one line of a terminal that is drawn over; nothing where stderr is no terminal. */
import { bar } from '../terminal.ts';

export interface Progress {
  update(done: number, total: number | undefined): void;
  /** A line for the person who waits, above the bar. */
  note(line: string): void;
  /** Takes the bar away. */
  end(): void;
}

const MIN_INTERVAL_MS = 100;
const CLEAR_LINE = '\r\u001b[K';

export function createProgress(stderr: NodeJS.WriteStream, now: () => number = () => performance.now()): Progress {
  const isLive = stderr.isTTY === true && process.env.TERM !== 'dumb';
  const startedAtMs = now();
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  let line = '';
  const clear = () => (line === '' ? '' : CLEAR_LINE);
  return {
    update(done, total) {
      if (!isLive || now() - drawnAtMs < MIN_INTERVAL_MS) return;
      drawnAtMs = now();
      const perSecond = done / Math.max(1, (now() - startedAtMs) / 1000);
      const known = total === undefined || total < done ? `${done} letters` : `${bar(done / total)} ${done}/${total}`;
      line = `${known}, ${perSecond.toFixed(0)} a second`;
      stderr.write(`${CLEAR_LINE}${line}`);
    },
    note(text) {
      stderr.write(`${clear()}${text}\n${line}`);
    },
    end() {
      stderr.write(clear());
      line = '';
    },
  };
}
