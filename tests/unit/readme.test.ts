import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { README, withTables } from '../../docs/write-readme-tables.ts';

test("the README's tables are equal to the code they are made from", () => {
  const readme = readFileSync(README, 'utf8');
  expect(readme, 'out of date: run `node docs/write-readme-tables.ts`').toBe(withTables(readme));
});
