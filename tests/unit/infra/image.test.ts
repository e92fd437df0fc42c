import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nodeFlags } from '../../../bin/setup.mjs';

test('the image starts Node as a clone does', () => {
  const launcher = readFileSync(new URL('../../../infra/image/millrace', import.meta.url), 'utf8');
  expect(launcher).toContain(`exec node ${nodeFlags.join(' ')} /opt/millrace/cli/main.ts "$@"`);
});
