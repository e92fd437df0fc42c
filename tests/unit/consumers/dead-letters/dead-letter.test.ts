import { describe, expect, test } from 'vitest';
import { letterOf, noted, notification } from './letters.ts';

describe('a dead letter', () => {
  test('with a note says why, when, and how often it was received and sent again', () => {
    const attributes = { ...noted('MESSAGE_NOT_JSON', { replays: 2 }), own: 'x', count: { type: 'Number', text: '3' } };
    expect(letterOf({ body: 'not JSON', attributes, sentAtMs: 7 })).toMatchObject({
      code: 'MESSAGE_NOT_JSON',
      reason: 'because MESSAGE_NOT_JSON',
      replays: 2,
      receiveCount: 2,
      atMs: Date.parse('2026-11-25T10:00:00.000Z'),
      attributes: { own: 'x', count: { type: 'Number', text: '3' } },
      jobs: [],
      stages: [],
    });
  });

  test('without a note was received too often, and keeps its replay count', () => {
    const letter = letterOf({ attributes: { 'millrace-replays': '1' }, sentAtMs: 7 });
    expect(letter).toMatchObject({ code: 'MAX_RECEIVES', replays: 1, atMs: 7, note: undefined, attributes: {} });
  });

  test('keeps nothing of what Pub/Sub wrote on it', () => {
    const attributes = { CloudPubSubDeadLetterSourceDeliveryCount: '5', bucketId: 'videos' };
    expect(letterOf({ attributes }).attributes).toEqual({ bucketId: 'videos' });
  });

  test.each([
    ['pipelines/talk-1/stage/clips/segment_1.mp4', 'clips'],
    ['pipelines/talk-1/results/encoding/0/abc.1.failed.json', 'encoding'],
    ['pipelines/talk-1/inputs/audio/master.wav', 'inputs'],
    ['pipelines/talk-1/exports/output.mp4', 'exports'],
    ['pipelines/talk-1/stage/lost', 'stage'],
  ])('about %s belongs to %s of its job', (key, stage) => {
    expect(letterOf({ body: notification(key) })).toMatchObject({ jobs: ['talk-1'], stages: [stage] });
  });

  test.each([
    ['pipelines/talk-1/segments.json', ['talk-1']],
    ['pipelines/..x/stage/a/b', []],
    ['elsewhere/talk-1/stage/a/b', []],
    ['pipelines/', []],
  ])('about %s belongs to no stage', (key, jobs) => {
    expect(letterOf({ body: notification(key) })).toMatchObject({ jobs, stages: [] });
  });

  test('about several jobs names each once', () => {
    const body = notification('pipelines/a/inputs/x', 'pipelines/b/inputs/x', 'pipelines/a/stage/s/y');
    expect(letterOf({ body })).toMatchObject({ jobs: ['a', 'b'], stages: ['inputs', 's'] });
  });
});
