/** The built-in pipeline, unchanged, over the queues that the other suites do not use: every stage, to the last export. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QueueKind } from '../../../cli/local-queue.ts';
import { MillraceError } from '../../../errors.ts';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { recordPeerMissing } from '../../peers/peers.ts';
import { attemptOf, startTestStack } from './stack.ts';

const SUBTITLES =
  '[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,DejaVu Sans,20\n\n' +
  '[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:00.00,0:00:01.00,Default,MILLRACE\n';

async function makeFiles(): Promise<Map<string, Buffer | string>> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-queues-'));
  try {
    const ffmpeg = ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg';
    const clip = await makeVideo(ffmpeg, directory, { name: 'clip.mp4', width: 160, height: 90, seconds: 0.5 });
    const source = await makeVideo(ffmpeg, directory, { name: 'source.mp4', width: 640, height: 480, seconds: 0.5 });
    return new Map<string, Buffer | string>([
      ['inputs/audio/master.wav', await readFile(await makeAudio(ffmpeg, directory, { name: 'master.wav', seconds: 2 }))],
      ['inputs/video/source.mp4', await readFile(source)],
      ['inputs/subtitles/en.ass', SUBTITLES],
      ['stage/clips/segment_0.mp4', await readFile(clip)],
      ['stage/clips/segment_1.mp4', await readFile(clip)],
      ['segments.json', JSON.stringify([0, 1].map((start) => ({ start_sec: start, duration_sec: 1 })))],
      ['stage/encoding/encoding.json', JSON.stringify({ language: 'en', subtitles: true })],
    ]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe('a job goes through every stage over', () => {
  test.each<QueueKind>(['cloudflare', 'pubsub'])('%s', async (queue) => {
    const stack = await startTestStack({ queue }).catch((thrown: unknown) => {
      if (!(thrown instanceof MillraceError) || thrown.code !== 'EMULATOR_MISSING') throw thrown;
      recordPeerMissing('pubsub-emulator', 'is not installed: no job is sent over Pub/Sub');
      return null;
    });
    if (stack === null) return;
    try {
      // On Google's queue the bucket is Google's too.
      expect(stack.planner.store.scheme).toBe(queue === 'pubsub' ? 'gs' : 's3');
      for (const [key, body] of await makeFiles()) await stack.put('job-1', key, body);
      await stack.until('job-1', ({ stages }) => stages.find(({ name }) => name === 'encoding')?.items[0]?.phase === 'done');
      await stack.untilDone('job-1');
      expect(await stack.keys('job-1')).toEqual(
        expect.arrayContaining([
          'exports/output.mp4',
          'stage/concatenation/concatenated.mp4',
          'stage/downsample/downsampled.mp4',
          'stage/segmentation/audio_segments/segment_1.wav',
        ]),
      );
      const attempts = stack.dispatched('job-1').map(attemptOf);
      expect(new Set(attempts).size).toBe(attempts.length);
      expect(attempts).toHaveLength(5);
    } finally {
      await stack.stop();
    }
  });
});
