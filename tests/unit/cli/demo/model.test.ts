import { expect, test } from 'vitest';
import { startModel } from '../../../../cli/demo/model.ts';
import type { ItemPhase } from '../../../../pipeline/plan-types.ts';
import { planOf, stageOf } from './planned.ts';

const segments = [0, 1, 2].map((start_sec) => ({ start_sec, duration_sec: 1 }));

const planWith = (...phases: ItemPhase[]) => planOf(stageOf('segmentation', phases));

test('the model makes a clip of a segment once it has been cut, and of each only one', async () => {
  const made: number[] = [];
  const makeClip = async (_: unknown, index: number) => void made.push(index);
  const model = startModel({ segments, makeClip, signal: new AbortController().signal });

  model.look(planWith('running', 'done', 'running'));
  model.look(planWith('running', 'done', 'running'));
  await new Promise(setImmediate);
  expect(made).toEqual([1]);

  model.look(planWith('done', 'done', 'done'));
  await model.finished;
  expect(made.toSorted()).toEqual([0, 1, 2]);
});

test('the model stops waiting when the demo stops', async () => {
  const stop = new AbortController();
  const model = startModel({ segments, makeClip: async () => undefined, signal: stop.signal });

  stop.abort(new Error('stopped'));

  await expect(model.finished).rejects.toThrow('stopped');
});

test('the model fails where a clip cannot be made', async () => {
  const makeClip = () => Promise.reject(new Error('no ffmpeg'));
  const model = startModel({ segments, makeClip, signal: new AbortController().signal });

  model.look(planWith('done', 'done', 'done'));

  await expect(model.finished).rejects.toThrow('no ffmpeg');
});
