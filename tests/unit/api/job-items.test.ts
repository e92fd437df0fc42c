import { expect, test } from 'vitest';
import { itemPage } from '../../../api/job-items.ts';
import type { ItemPhase, Plan } from '../../../pipeline/plan-types.ts';

const stage = (name: string, phases: readonly ItemPhase[]): Plan['stages'][number] => ({
  name,
  phase: 'active',
  why: '',
  items: phases.map((phase, index) => {
    return { stage: name, item: String(index), phase, why: '', outputKey: '', fingerprint: '', fanOut: true, attempt: 0 };
  }),
});
const PLAN = {
  stages: [stage('cut', ['done', 'failed', 'done']), stage('join', []), stage('encode', ['failed', 'waiting'])],
} as unknown as Plan;

function all(query: Parameters<typeof itemPage>[1]): string[] {
  const seen: string[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = itemPage(PLAN, { ...query, ...(after === undefined ? {} : { after }) });
    seen.push(...page.items.map(({ stage: name, item }) => `${name}/${item}`));
    after = page.after;
  }
  return seen;
}

test.each([1, 2, 3, 50])('pages of %d items hold every item once, in order', (limit) => {
  expect(all({ limit })).toEqual(['cut/0', 'cut/1', 'cut/2', 'encode/0', 'encode/1']);
  expect(all({ limit, phase: ['failed'] })).toEqual(['cut/1', 'encode/0']);
  expect(all({ limit, stage: 'encode' })).toEqual(['encode/0', 'encode/1']);
});

test('no items are asked for with a limit of 0', () => {
  expect(itemPage(PLAN, { limit: 0 })).toEqual({ items: [], after: null });
});
