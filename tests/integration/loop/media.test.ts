import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import type { MediaInfo } from '../../../handlers/ffmpeg/probe.ts';
import { decodedSound, largestDifference, mediaOf, pictureAt, pictureDifference } from '../../media/bitstream.ts';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { type Origin, SECRET, startOrigin } from '../../media/origin.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { startTestStack, type TestStack } from './stack.ts';

const SAMPLE_RATE = 48_000;
const WAV_HEADER_BYTES = 44;
const STEREO_16_BIT_BYTES = 4;
/** 16-bit samples of two decodes by way of a resampler: the last bits may differ. */
const SAME_SOUND = 4;

const SEGMENTS = [
  { start_sec: 0, duration_sec: 1.25 },
  { start_sec: 1.25, duration_sec: 0.731 },
  { start_sec: 1.981, duration_sec: 1.019, target_sec: 1.5 },
];

/** Of different rates; the second has another shape than the others. */
const CLIPS = [
  { fps: '25', seconds: 1.2, narrow: false },
  { fps: '30000/1001', seconds: 0.7, narrow: true },
  { fps: '24', seconds: 1.5, narrow: false },
];
const CLIPS_SECONDS = CLIPS.reduce((sum, { seconds }) => sum + seconds, 0);

const SUBTITLE_SECONDS = { from: 1, to: 2 };
const subtitles = ({ width, height }: Size): string =>
  [
    ...['[Script Info]', 'ScriptType: v4.00+', `PlayResX: ${width}`, `PlayResY: ${height}`, '', '[V4+ Styles]'],
    'Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding',
    'Style: Default,DejaVu Sans,30,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,1,0,0,0,100,100,0,0,1,2,0,2,4,4,4,1',
    ...['', '[Events]', 'Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text'],
    ...['Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,MILLRACE', ''],
  ].join('\n');
/** The text stands in the lowest quarter of the picture; the upper half is well away from it. */
const SUBTITLE_AREA = { from: 0.72, to: 1 };
const OTHER_AREA = { from: 0, to: 0.5 };

interface Size {
  readonly width: number;
  readonly height: number;
}

const SHAPES = [
  {
    shape: 'landscape',
    source: { width: 854, height: 480 },
    clip: { width: 320, height: 180 },
    narrow: { width: 240, height: 180 },
  },
  {
    shape: 'portrait',
    source: { width: 406, height: 720 },
    clip: { width: 180, height: 320 },
    narrow: { width: 180, height: 240 },
  },
];

describe.each(ALL_TOOLS)('the whole loop with the $origin ffmpeg $version', (tools: Tools) => {
  let directory: string;
  let origin: Origin;
  let stack: TestStack;
  let master: string;
  const staged = randomBytes(300_000);
  const files = new Map<string, Promise<void>>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-media-'));
    origin = await startOrigin();
    stack = await startTestStack({
      allowHosts: [origin.host],
      env: { FFMPEG_PATH: tools.ffmpeg, FFPROBE_PATH: tools.ffprobe, MILLRACE_LOG_LEVEL: 'debug' },
    });
    master = await makeAudio(tools.ffmpeg, directory, {
      name: 'master.m4a',
      sampleRate: 44_100,
      seconds: 3.5,
      codec: ['-c:a', 'aac'],
    });
    await writeFile(join(directory, 'staged.bin'), staged);
    origin.files.set('staged.bin', { file: join(directory, 'staged.bin') });
    await Promise.all(SHAPES.map(submit));
  });
  afterAll(async () => {
    await stack.stop();
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function submit({ shape, source, ...sizes }: (typeof SHAPES)[number]): Promise<void> {
    const put = async (key: string, file: string) => stack.put(shape, key, await readFile(file));
    await put('inputs/audio/master.m4a', master);
    await put(
      'inputs/video/source.mp4',
      await makeVideo(tools.ffmpeg, directory, { name: `${shape}.mp4`, ...source, seconds: 1 }),
    );
    for (const [index, { narrow, ...clip }] of CLIPS.entries()) {
      const size = narrow ? sizes.narrow : sizes.clip;
      await put(
        `stage/clips/segment_${index}.mp4`,
        await makeVideo(tools.ffmpeg, directory, { name: `${shape}-${index}.mp4`, ...size, ...clip }),
      );
    }
    await stack.put(shape, 'inputs/subtitles/en.ass', subtitles(sizes.clip));
    await stack.put(shape, 'stage/segmentation/segments.json', JSON.stringify(SEGMENTS));
    await stack.put(shape, 'stage/encoding/encoding.json', JSON.stringify({ language: 'en', subtitles: true }));
    const sources = [{ source_uri: origin.url('staged.bin'), dest_key: 'inputs/data/staged.bin' }];
    await stack.put(shape, 'inputs/sources.json', JSON.stringify({ sources }));
    await stack.untilDone(shape, 90);
  }

  /** An output, as a file that ffmpeg can read. */
  function outputFile(job: string, key: string): Promise<string> {
    const file = join(directory, `${job}-${key.replaceAll('/', '-')}`);
    const written = files.get(file) ?? stack.read(job, key).then((body) => writeFile(file, body));
    files.set(file, written);
    return written.then(() => file);
  }

  describe.concurrent.each(SHAPES)('a $shape job', ({ shape, source, clip }) => {
    it('cuts every segment exact to the sample, 48 kHz, stereo, 16 bits', async () => {
      const whole = await decodedSound(tools, master);
      for (const [index, { start_sec: start, duration_sec: duration, target_sec: target = duration }] of SEGMENTS.entries()) {
        const file = await outputFile(shape, `stage/segmentation/audio_segments/segment_${index}.wav`);
        const { audio } = await mediaOf(tools, file);
        expect(audio).toMatchObject({ codec: 'pcm_s16le', sampleRate: SAMPLE_RATE, channels: 2 });
        const sound = await decodedSound(tools, file);
        const samples = Math.round(target * SAMPLE_RATE);
        expect(sound.length / 2).toBe(samples);
        expect((await readFile(file)).length).toBe(WAV_HEADER_BYTES + samples * STEREO_16_BIT_BYTES);
        const first = Math.round(start * SAMPLE_RATE) * 2;
        const cut = Math.round(duration * SAMPLE_RATE) * 2;
        expect(largestDifference(sound.subarray(0, cut), whole.subarray(first, first + cut))).toBeLessThanOrEqual(SAME_SOUND);
        expect(sound.subarray(cut).every((sample) => sample === 0)).toBe(true);
      }
    });

    it('makes a small copy of the video with its shape kept', async () => {
      const { video, audio } = await mediaOf(tools, await outputFile(shape, 'stage/downsample/downsampled.mp4'));
      const { width, height } = shown(video);
      expect(height).toBe(360);
      expect(width % 2).toBe(0);
      // Rounding to even moves the width by one pixel at most.
      expect(Math.abs(width - (height * source.width) / source.height)).toBeLessThanOrEqual(1);
      expect(video).toMatchObject({ codec: 'h264', pixelFormat: 'yuv420p', frames: 25 });
      expect(audio?.codec).toBe('aac');
    });

    it('joins the clips into as much time as they have together, a frame each left or right', async () => {
      const { video, audio } = await mediaOf(tools, await outputFile(shape, 'stage/concatenation/concatenated.mp4'));
      expect(Math.abs((video?.durationSeconds ?? 0) - CLIPS_SECONDS)).toBeLessThan(CLIPS.length / 24);
      expect(shown(video)).toEqual(clip);
      expect(audio).toMatchObject({ sampleRate: SAMPLE_RATE, channels: 2 });
    });

    it('burns the subtitles into the final video, where and while they are to be seen', async () => {
      const final = await outputFile(shape, 'exports/output.mp4');
      const plain = await outputFile(shape, 'stage/concatenation/concatenated.mp4');
      const size = shown((await mediaOf(tools, plain)).video);
      expect(shown((await mediaOf(tools, final)).video)).toEqual(size);
      const differenceAt = async (seconds: number, area: Area) => {
        const [made, before] = await Promise.all([pictureAt(tools, final, seconds), pictureAt(tools, plain, seconds)]);
        return pictureDifference(rows(made, size, area), rows(before, size, area));
      };
      const during = (SUBTITLE_SECONDS.from + SUBTITLE_SECONDS.to) / 2;
      expect(await differenceAt(during, SUBTITLE_AREA)).toBeGreaterThan(15);
      expect(await differenceAt(during, OTHER_AREA)).toBeLessThan(4);
      expect(await differenceAt(0.5, SUBTITLE_AREA)).toBeLessThan(4);
      expect(await differenceAt(2.6, SUBTITLE_AREA)).toBeLessThan(4);
    });

    it('gives the final video the sound of the master', async () => {
      const final = await outputFile(shape, 'exports/output.mp4');
      const { durationSeconds = 0 } = await mediaOf(tools, final);
      const made = await decodedSound(tools, final);
      const original = await decodedSound(tools, master);
      const loudness = (sound: Int16Array, from: number) =>
        rootMeanSquare(sound.subarray(from * SAMPLE_RATE * 2, (from + 1) * SAMPLE_RATE * 2));
      for (const from of [0, 1]) expect(loudness(made, from) / loudness(original, from)).toBeCloseTo(1, 1);
      expect(Math.abs(durationSeconds - CLIPS_SECONDS)).toBeLessThan(0.15);
    });

    it('fetches what sources.json names, byte for byte, and keeps the query of its URL to itself', async () => {
      expect(await stack.read(shape, 'inputs/data/staged.bin')).toEqual(staged);
      const results = (await stack.keys(shape)).filter((key) => key.startsWith('results/'));
      const texts = await Promise.all(results.map(async (key) => (await stack.read(shape, key)).toString('utf8')));
      const secret = SECRET.slice(SECRET.indexOf('=') + 1);
      expect(
        [...texts, ...stack.lines].filter((text) => text.includes(secret) || /X-Amz-Signature=[0-9a-f]{8}/.test(text)),
      ).toEqual([]);
    });

    it('leaves one succeeded result for every item, each of its first attempt, and one run for each', async () => {
      const results = (await stack.keys(shape)).filter((key) => key.startsWith('results/'));
      const items = results.map((key) => key.replace(/^results\/(.+)\/[0-9a-f]{32}\.1\.succeeded\.json$/, '$1')).sort();
      expect(items).toEqual([
        'concatenation/0',
        'downsample/0',
        'encoding/0',
        'segmentation/0',
        'segmentation/1',
        'segmentation/2',
        'staging/0',
      ]);
      expect(
        stack
          .dispatched(shape)
          .map(({ stage, item }) => `${stage}/${item}`)
          .sort(),
      ).toEqual(items);
    });
  });

  it('stores each kind of output under its media type', async () => {
    const typeOf = async (key: string) =>
      (await stack.planner.store.head(stack.planner.layout.jobKey('landscape', key)))?.contentType;
    expect(await typeOf('exports/output.mp4')).toBe('video/mp4');
    expect(await typeOf('stage/segmentation/audio_segments/segment_0.wav')).toBe('audio/wav');
  });
});

function shown(video: MediaInfo['video']): Size {
  return { width: video?.displayWidth ?? 0, height: video?.displayHeight ?? 0 };
}

interface Area {
  readonly from: number;
  readonly to: number;
}

/** Some rows of a grey picture, as shares of its height. */
function rows(picture: Buffer, { width, height }: Size, { from, to }: Area): Buffer {
  return picture.subarray(Math.round(from * height) * width, Math.round(to * height) * width);
}

function rootMeanSquare(sound: Int16Array): number {
  return Math.sqrt(sound.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, sound.length));
}
