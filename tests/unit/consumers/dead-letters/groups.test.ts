import { expect, test } from 'vitest';
import { createGroups } from '../../../../consumers/dead-letters/groups.ts';
import { letterOf, noted, notification } from './letters.ts';

test('letters are counted by reason, job and stage, the largest group first, with its oldest', () => {
  const groups = createGroups();
  const attributes = (day: number) => noted('KEY_INVALID', { deadLetteredAt: `2026-11-0${day}T00:00:00.000Z` });
  groups.add(letterOf({ id: 'alone' }), false);
  for (const [id, day] of [
    ['first', 5],
    ['second', 3],
    ['third', 4],
  ] as const) {
    groups.add(letterOf({ id, body: notification('pipelines/a/inputs/x'), attributes: attributes(day) }), id === 'third');
  }
  groups.add(letterOf({ id: 'two jobs', body: notification('pipelines/a/inputs/x', 'pipelines/b/inputs/x') }), false);
  expect(groups.list()).toMatchObject([
    {
      ...{ code: 'KEY_INVALID', job: 'a', stage: 'inputs', letters: 3, quarantined: 1, example: 'first' },
      oldestMs: Date.parse('2026-11-03T00:00:00.000Z'),
    },
    { code: 'MAX_RECEIVES', job: null, stage: null, letters: 1, oldestMs: undefined, example: 'alone' },
    { code: 'MAX_RECEIVES', job: 'several', stage: 'inputs', letters: 1 },
  ]);
});
