import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { decodedSound, greyPictures, mediaOf, pictureDifference, pictureTimes } from '../../media/bitstream.ts';
import { makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { startTestStack, type TestStack } from './stack.ts';

/** Both stages of the built-in pipeline that are made in chunks, with small numbers; the encoding takes what the other made. */
const PIPELINE = {
  version: 1,
  stages: {
    downsample: {
      inputs: { video: { key: 'inputs/video/source.*' } },
      task: 'DOWNSAMPLING',
      parameters: { original_video_uri: '${inputs.video}', resolution: 144 },
      output: 'stage/downsample/downsampled.mp4',
      chunks: { above_sec: 3, chunk_sec: 1.5 },
      retry_delay_sec: 0,
    },
    encoding: {
      inputs: { video: { key: 'stage/downsample/downsampled.mp4' }, audio: { key: 'inputs/video/source.*' } },
      task: 'ENCODING',
      parameters: {
        ...{ id: '${job}', language: 'en', subtitles: false },
        ...{ input_video_uri: '${inputs.video}', input_audio_uri: '${inputs.audio}' },
      },
      output: 'exports/output.mp4',
      chunks: { above_sec: 3, chunk_sec: 2 },
    },
  },
};

const SECONDS = 4;
const FPS = 25;

const [tools] = ALL_TOOLS;
let directory: string;
let stack: TestStack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-chunks-'));
  const env = tools === undefined ? {} : { FFMPEG_PATH: tools.ffmpeg, FFPROBE_PATH: tools.ffprobe };
  stack = await startTestStack({ workers: 2, env });
});
afterAll(async () => {
  await stack.stop();
  await rm(directory, { recursive: true, force: true });
});

async function submit(job: string, seconds: number): Promise<string> {
  if (tools === undefined) throw new Error('no ffmpeg');
  const video = await makeVideo(tools.ffmpeg, directory, { name: `${job}.mp4`, width: 320, height: 180, seconds });
  await stack.put(job, 'pipeline.json', JSON.stringify(PIPELINE));
  await stack.put(job, 'inputs/video/source.mp4', await readFile(video));
  return video;
}

const runsOf = (job: string): string[] =>
  stack
    .dispatched(job)
    .map(({ stage, item, attempt }) => `${stage}/${item}.${attempt}`)
    .sort();

async function fetched(with_: Tools, job: string, key: string) {
  const file = join(directory, `${job}-${key.replaceAll('/', '-')}`);
  await writeFile(file, await stack.read(job, key));
  return { file, info: await mediaOf(with_, file) };
}

it('makes a long video in chunks on workers without keys, stage after stage, and shows every picture once and in its place', async () => {
  if (tools === undefined) throw new Error('no ffmpeg');
  const source = await submit('long', SECONDS);

  await stack.untilDone('long', 120);

  expect(runsOf('long')).toEqual([
    'downsample-chunks/0.1',
    'downsample-chunks/1.1',
    'downsample-chunks/2.1',
    'downsample/0.1',
    'downsample/0.2',
    'encoding-chunks/0.1',
    'encoding-chunks/1.1',
    'encoding/0.1',
    'encoding/0.2',
  ]);
  const { file, info } = await fetched(tools, 'long', 'exports/output.mp4');
  expect(info.video).toMatchObject({ frames: SECONDS * FPS, durationSeconds: SECONDS });
  expect((await pictureTimes(tools, file)).map((time) => Math.round(time * FPS))).toEqual(
    Array.from({ length: SECONDS * FPS }, (_, index) => index),
  );
  const [made, original] = await Promise.all([greyPictures(tools, file), greyPictures(tools, source)]);
  // Twice encoded: what counts is that no picture is another one's.
  const differences = made.map((picture, index) => pictureDifference(picture, original[index] ?? Buffer.alloc(0)));
  expect(Math.max(...differences)).toBeLessThan(6);
  expect((await decodedSound(tools, file)).length / 2 / 48_000).toBeCloseTo(SECONDS, 1);
});

it('makes a short video in the one run that it always was, and writes nothing beside it', async () => {
  await submit('short', 1);

  await stack.untilDone('short', 60);

  expect(runsOf('short')).toEqual(['downsample/0.1', 'encoding/0.1']);
  expect((await stack.keys('short')).filter((key) => key.includes('chunks'))).toEqual([]);
});
