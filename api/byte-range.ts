/** The header `Range`, as far as it is honoured: one range of bytes. Pure. */
import { RequestError } from './problem.ts';

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

const RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/** Undefined where the whole object is to be sent: several ranges and other units may be ignored. Throws RANGE_UNSATISFIABLE. */
export function readRange(header: string | null, sizeBytes: number): ByteRange | undefined {
  const [, from, to] = RANGE.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const range =
    from === ''
      ? { start: Math.max(0, sizeBytes - Number(to)), end: sizeBytes - 1 }
      : { start: Number(from), end: Math.min(to === '' ? Number.POSITIVE_INFINITY : Number(to), sizeBytes - 1) };
  // `5-2` is no range at all.
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  if (range.start < sizeBytes && range.start <= range.end && !(from === '' && Number(to) === 0)) return range;
  throw new RequestError('RANGE_UNSATISFIABLE', `the object has ${sizeBytes} bytes`, {
    headers: { 'content-range': `bytes */${sizeBytes}` },
  });
}
