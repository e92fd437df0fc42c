import { describe, expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../../cli/exit-codes.ts';
import { ERROR_CODES, isErrorCode, MillraceError } from '../../../errors.ts';

describe('exitCodeOf', () => {
  it.each(Object.keys(ERROR_CODES).filter(isErrorCode))('has a number for %s that says failure', (code) => {
    const exit = exitCodeOf(new MillraceError(code, 'x'));
    expect(Object.values(EXIT)).toContain(exit);
    expect(exit).not.toBe(EXIT.ok);
  });

  it.each([
    ['USAGE', 64],
    ['MANIFEST_INVALID', 65],
    ['GRAPH_INVALID', 65],
    ['STORE_UNREACHABLE', 69],
    ['INTERNAL', 70],
    ['CONFIG_INVALID', 78],
    ['STORE_FORBIDDEN', 78],
    ['RUN_UNAUTHORIZED', 78],
    ['STORE_ERROR', 78],
  ] as const)('is sysexits.h for %s: %i', (code, exit) => {
    expect(exitCodeOf(new MillraceError(code, 'x'))).toBe(exit);
  });

  it('goes by what one error says of itself rather than by the table', () => {
    expect(exitCodeOf(new MillraceError('STORE_ERROR', 'x', { retryable: true }))).toBe(EXIT.unavailable);
  });
});
