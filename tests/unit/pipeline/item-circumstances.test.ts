import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { tellCircumstances, whyNoItem } from '../../../pipeline/item-circumstances.ts';
import { tellItemStory } from '../../../pipeline/item-story.ts';
import { planJob } from '../../../pipeline/job-plan.ts';
import { createInMemory, type InMemory, lastItems, layout } from './consumer-in-memory.ts';
import { segments } from './job-builder.ts';

const MINUTE_MS = 60_000;

function cutting(count: number, options?: Parameters<typeof createInMemory>[1]): InMemory {
  const world = createInMemory(undefined, options);
  world.put('segments.json', segments(count));
  world.put('inputs/audio/master.m4a', 'master');
  return world;
}

/** What `millrace explain job <stage>/<item>` finds: the phase, the story's lines, and what stands around it. */
async function explained(world: InMemory, stage = 'segmentation', item = '0') {
  const planned = await planJob(world.source, 'job');
  const story = await tellItemStory(world.source, planned, stage, item);
  if (story === undefined) throw new Error('no such item');
  const circumstances = await tellCircumstances(world.source, planned, story.item, world.clockMs);
  const { phase, why } = story.item;
  return { phase, why, story: story.lines.map(({ what }) => what), circumstances, openRuns: story.openRuns, mark: story.mark };
}

async function noItem(world: InMemory, stageName: string, item: string) {
  const planned = await planJob(world.source, 'job');
  return whyNoItem(planned, stageName, item);
}

describe('why is segment 57 missing?', () => {
  test('its input is not there', async () => {
    const world = createInMemory();
    world.put('segments.json', segments(58));
    expect(await explained(world, 'segmentation', '57')).toMatchObject({
      phase: 'waiting',
      why: 'inputs/audio/master.* is not there',
      story: ['segments.json was written'],
      circumstances: [],
    });
  });

  test('the manifest lists fewer', async () => {
    expect(await noItem(cutting(57), 'segmentation', '57')).toEqual({
      why: 'job has no segmentation/57: the items of segmentation are 0 to 56, as segments.json lists them',
      fix: 'Add it to segments.json and write that again.',
    });
  });

  test('the manifest lists fewer than it did', async () => {
    const world = cutting(58);
    await world.reconcile();
    world.put('segments.json', segments(57));
    expect((await noItem(world, 'segmentation', '57')).why).toMatch(/lists them; it was worked on when there were more$/);
  });

  test('something is wrong with the manifest', async () => {
    const world = cutting(1);
    world.put('segments.json', [{ start_sec: 0, duration_sec: -2 }]);
    expect(await noItem(world, 'segmentation', '57')).toEqual({
      why: 'job has no segmentation/57: segmentation is blocked: segments.json: segments[0].duration_sec: expected a number above 0, found -2',
      fix: expect.stringMatching(/^Correct segments\.json and write it again/),
    });
  });

  test('there is no manifest', async () => {
    const world = createInMemory();
    world.put('inputs/audio/master.m4a', 'master');
    const { why, fix } = await noItem(world, 'segmentation', '57');
    expect(why).toMatch(/^job has no segmentation\/57: segmentation is off: .*segments\.json is not there$/);
    expect(fix).toBeUndefined();
  });

  test('nobody has looked yet, which is said once it takes too long', async () => {
    const world = cutting(1);
    expect(await explained(world)).toMatchObject({ phase: 'dispatch', circumstances: [] });
    world.clockMs += 40 * MINUTE_MS;
    const { circumstances } = await explained(world);
    expect(circumstances).toEqual([
      expect.stringMatching(
        /was written 40 minutes ago\. No consumer has ever worked on this job.*millrace doctor.*millrace reconcile job$/,
      ),
    ]);
  });

  test('a consumer has worked on the job before, and not heard of the last write', async () => {
    const world = cutting(1);
    await world.reconcile();
    for (const item of lastItems(world)) world.finish(item);
    world.clockMs += MINUTE_MS;
    world.put('segments.json', segments(2));
    world.clockMs += 3 * MINUTE_MS;
    const { circumstances } = await explained(world, 'segmentation', '1');
    expect(circumstances).toEqual([
      expect.stringMatching(/segments\.json, was written 3 minutes ago\. Its event was lost, or no consumer runs/),
    ]);
  });

  test('the whole job is held back, until when and why', async () => {
    const world = cutting(1);
    world.onRun = () => ({
      kind: 'refused',
      error: new MillraceError('RUN_REFUSED', 'RunPod answered 429.'),
      retryAfterMs: 300_000,
    });
    await world.reconcile();
    const { phase, circumstances, story } = await explained(world);
    expect(phase).toBe('held');
    expect(circumstances).toEqual([
      expect.stringMatching(/^The whole job is held back until 2026-01-01T00:05:00\.000Z: .*RunPod answered 429/),
    ]);
    expect(story.join()).toMatch(/refused, says a consumer on its behalf: RUN_REFUSED/);
  });

  test('it waits for a slot', async () => {
    const world = cutting(20, { maxRunsInFlight: 1 });
    await world.reconcile();
    const { phase, circumstances } = await explained(world, 'segmentation', '19');
    expect(phase).toBe('dispatch');
    expect(circumstances).toEqual([
      expect.stringMatching(
        /^The job has waited for a slot of the endpoint default since 2026-01-01T00:00:00.*MILLRACE_MAX_RUNS_IN_FLIGHT/,
      ),
    ]);
  });

  test('its run has not ended', async () => {
    const world = cutting(1);
    await world.reconcile();
    expect(await explained(world)).toMatchObject({
      phase: 'running',
      story: expect.arrayContaining([
        'inputs/audio/master.m4a was written',
        'claimed by consumer',
        'RunPod took it: run run-1 of default',
      ]),
      circumstances: [],
      openRuns: [{ runId: 'run-1', endpoint: 'default' }],
    });
  });

  test('it was claimed, and no run is recorded', async () => {
    const world = cutting(1);
    world.onRun = () => ({ kind: 'uncertain', error: new MillraceError('RUN_UNCERTAIN', 'no answer in time') });
    await world.reconcile();
    world.clockMs += 90_000;
    expect(await explained(world)).toMatchObject({
      phase: 'running',
      circumstances: [expect.stringMatching(/^It was claimed 90 s ago and no run is recorded.*once the claim is 900 s old\.$/)],
    });
  });

  test('it failed and is tried again', async () => {
    const world = cutting(1);
    await world.reconcile();
    for (const item of lastItems(world))
      world.finish(item, 'failed', { code: 'SOURCE_UNREACHABLE', message: 'away', retryable: true });
    expect(await explained(world)).toMatchObject({
      phase: 'retrying',
      why: expect.stringMatching(/SOURCE_UNREACHABLE.*again at 2026/),
    });
  });

  test('it failed for good, with its code and what to do', async () => {
    const world = cutting(1);
    await world.reconcile();
    const error = { code: 'INPUT_TOO_SHORT', message: 'the master ends before', retryable: false, fix: 'Shorten the segment.' };
    for (const item of lastItems(world)) world.finish(item, 'failed', error);
    const { phase, story } = await explained(world);
    expect(phase).toBe('failed');
    expect(story.at(-1)).toBe('failed, says worker: INPUT_TOO_SHORT: the master ends before (Shorten the segment.)');
  });

  test('who claimed it, although the sweep has deleted the claim', async () => {
    const world = cutting(1);
    await world.reconcile();
    for (const item of lastItems(world))
      world.finish(item, 'failed', { code: 'INPUT_INVALID', message: 'no sound', retryable: false });
    expect((await explained(world)).story).toContain('claimed by consumer');
    expect(await world.sweep()).toMatchObject({ cleared: 1 });
    expect(world.keys('pipelines-state/claims/')).toEqual([]);
    expect((await explained(world)).story.slice(-3)).toEqual([
      'claimed by consumer',
      'RunPod took it: run run-1 of default',
      'failed, says worker: INPUT_INVALID: no sound',
    ]);
  });

  test('it was made, and is gone', async () => {
    const world = cutting(1);
    await world.reconcile();
    for (const item of lastItems(world)) world.finish(item);
    world.bucket.delete(layout.jobKey('job', 'stage/segmentation/audio_segments/segment_0.wav'));
    expect(await explained(world)).toMatchObject({ phase: 'removed', mark: undefined });
  });

  test('the job is cancelled, and cancel.json says why', async () => {
    const world = cutting(1);
    world.put('cancel.json', { reason: 'wrong master' });
    expect(await explained(world)).toMatchObject({ phase: 'cancelled', circumstances: ['cancel.json says why: wrong master'] });
  });

  test('it is there: somebody put it there', async () => {
    const world = cutting(1);
    world.put('stage/segmentation/audio_segments/segment_0.wav', 'by hand');
    expect(await explained(world)).toMatchObject({
      ...{ phase: 'done', why: 'put there by hand', mark: null, circumstances: [] },
      story: expect.arrayContaining([expect.stringMatching(/^its output was written/)]),
    });
  });

  test('it waits for what another program makes, item by item', async () => {
    const world = cutting(8);
    world.put('stage/clips/segment_0.mp4', 'clip');
    const { phase, circumstances, story } = await explained(world, 'concatenation');
    expect(phase).toBe('waiting');
    expect(circumstances).toEqual([
      expect.stringMatching(/^It waits for 7 of clips: clips\/1 is external, .*clips\/5 is external, and 2 more\.$/),
    ]);
    expect(story).toEqual(['stage/clips/segment_0.mp4 was written (of clips)']);
  });
});
