import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Parses how long ago (`90m`, `2h`, `3d`) or a date on the command line; answers milliseconds since 1970. */
export function sinceArgument(text: string, _before?: unknown, nowMs = Date.now()): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (count !== undefined) return nowMs - Number(count) * (UNIT_MS[unit] ?? 0);
  // A date needs its dashes: Date.parse takes a lone number for a year or a month.
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('expected how long ago (90m, 2h, 3d) or a date (2026-11-25, 2026-11-25T20:00Z)');
  return ms;
}
