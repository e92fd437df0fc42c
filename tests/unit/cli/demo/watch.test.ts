import { expect, test } from 'vitest';
import { missingLines } from '../../../../cli/demo/watch.ts';
import { planOf, stageOf } from './planned.ts';

test('missingLines group what is not done by stage and reason', () => {
  const clips = stageOf('clips', ['external', 'done', 'external']);
  const plan = planOf(clips, stageOf('encoding', ['waiting'], 'exports are late'), stageOf('downsample', []));

  expect(missingLines(plan)).toEqual(['demo-talk clips/0,2: external', 'demo-talk encoding/0: waiting: exports are late']);
  expect(missingLines(planOf(stageOf('downsample', [])))).toEqual(['demo-talk: nothing that a stage reads is there']);
});
