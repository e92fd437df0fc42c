import { describe, expect, test } from 'vitest';
import { judgeRules, type NotificationRule } from '../../../../cli/doctor/notification-rules.ts';

const WANTED = {
  ...{ pipelinesPrefix: 'pipelines', statePrefix: 'pipelines-state', created: ['put', 'copy'], removed: ['delete'] },
  fix: (rule: NotificationRule | undefined) => `mend ${rule?.id ?? 'nothing'}`,
};
const rule = (id: string, prefix: string, events = ['put', 'copy', 'delete'], suffix = ''): NotificationRule => {
  return { id, prefix, suffix, events: new Set(events) };
};
const judged = (...rules: readonly NotificationRule[]) => judgeRules(rules, WANTED, 'queue');

describe('rules are right where they', () => {
  test.each([
    ['name the folder with its slash', [rule('a', 'pipelines/')]],
    ['share the events between them', [rule('a', 'pipelines/', ['put', 'copy']), rule('b', 'pipelines/', ['delete'])]],
    ['tell of other folders too', [rule('a', 'pipelines/'), rule('b', 'uploads/')]],
  ])('%s', (_, rules) => expect(judged(...rules)).toEqual([]));
});

describe('rules are wrong where they', () => {
  test.each([
    ['are none', [], ['the bucket tells queue nothing']],
    ['leave the slash out', [rule('a', 'pipelines')], ['without its slash']],
    [
      'have a prefix that is only the beginning of one',
      [rule('a', 'pipe')],
      ['the rule a has the prefix pipe and so matches pipelines-state/'],
    ],
    ['have no prefix', [rule('a', '')], ['the rule a has no prefix']],
    [
      'match the state beside a right one',
      [rule('a', 'pipelines/'), rule('b', 'pipelines-')],
      ['the rule b has the prefix pipelines-'],
    ],
    ['name one job only', [rule('a', 'pipelines/talk-1/')], ['a has the prefix pipelines/talk-1/']],
    [
      'let only some files through',
      [rule('a', 'pipelines/', ['put', 'copy', 'delete'], '.json')],
      ['the prefix pipelines/ and the suffix .json'],
    ],
    ['leave a way to write out', [rule('a', 'pipelines/', ['put', 'delete'])], ['not told of copy: such writes']],
    ['leave deletions out', [rule('a', 'pipelines/', ['put', 'copy'])], ['not told of delete: deletions']],
    ['leave both out', [rule('a', 'pipelines/', ['put'])], ['not told of copy', 'not told of delete']],
  ])('%s', (_, rules, found) => {
    const findings = judged(...rules);
    expect(findings.map((each) => each.found)).toEqual(found.map((text) => expect.stringContaining(text)));
    for (const finding of findings) expect(finding).toMatchObject({ outcome: 'wrong', fix: expect.stringMatching(/^mend /) });
  });
});
