import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addFilterOptions, type FilterOptions, filterOf } from '../../../../cli/dead-letters/filter-options.ts';

test('options that may be repeated add up, and reasons are taken in any case', () => {
  const command = addFilterOptions(new Command()).exitOverride();
  command.parse(['--job', 'a', '--job', 'b', '--reason', 'key_invalid', '--id', 'x', '--grep', '^a.c$', '--stage', 'clips'], {
    from: 'user',
  });
  expect(filterOf(command.opts<FilterOptions>())).toEqual({
    ...{ jobs: ['a', 'b'], stages: ['clips'], codes: ['KEY_INVALID'], ids: ['x'], pattern: /^a.c$/, sinceMs: undefined },
  });
});
