import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_CODES_PAGE, errorCodesPage } from '../../docs/write-error-codes.ts';
import { ERROR_CODES } from '../../errors.ts';

test('docs/error-codes.md is equal to the table in errors.ts', () => {
  expect(readFileSync(ERROR_CODES_PAGE, 'utf8'), 'out of date: run `node docs/write-error-codes.ts`').toBe(errorCodesPage());
});

test.each(Object.entries(ERROR_CODES))('%s is written in capitals and explained in one sentence', (code, { meaning }) => {
  expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
  expect(meaning).toMatch(/^\S.*\.$/);
});
