import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunkArguments } from '../../../../handlers/ffmpeg/arguments/chunk.ts';
import { cutIntoChunks, cutOff, frameGrid } from '../../../../handlers/ffmpeg/chunk-grid.ts';
import type { MediaInfo, VideoStream } from '../../../../handlers/ffmpeg/probe.ts';
import { PLAIN_VIDEO } from '../plain-video.ts';

const unit = { numerator: 1, denominator: 12_800 };
const timing = { baseRate: { numerator: 25, denominator: 1 }, unit, startUnits: 0 };

function infoOf(video: Partial<VideoStream> = {}, more: Partial<MediaInfo> = {}): MediaInfo {
  const info = { formatName: 'mov,mp4,m4a,3gp,3g2,mj2', durationSeconds: 4, startSeconds: 0, audio: undefined };
  return { ...info, video: { ...PLAIN_VIDEO, timing, ...video }, ...more };
}

describe('the grid of a video', () => {
  test('has as many pictures as its index counts', () => {
    expect(frameGrid(infoOf())).toEqual({ rate: { numerator: 25, denominator: 1 }, frames: 100 });
  });

  test('begins where the file does, not where the pictures do', () => {
    expect(frameGrid(infoOf({ timing: { ...timing, startUnits: 6144 } }))).toMatchObject({ frames: 112 });
  });

  test('of a file whose times begin late is the same', () => {
    const late = { ...timing, startUnits: 128_000 };
    expect(frameGrid(infoOf({ timing: late }, { startSeconds: 10 }))).toMatchObject({ frames: 100 });
  });

  test('goes by the length where an edit hides some of what the index counts', () => {
    expect(frameGrid(infoOf({ frames: 125 }))).toMatchObject({ frames: 100 });
  });

  test('of uneven pictures is that of the pace that they are brought to', () => {
    const uneven = { constantRate: false, frameRate: { numerator: 292, denominator: 10 }, frames: 117 };
    expect(frameGrid(infoOf(uneven))).toEqual({ rate: { numerator: 30_000, denominator: 1001 }, frames: 120 });
  });

  test('of a Matroska file goes by when the whole ends', () => {
    const info = infoOf(
      { durationSeconds: undefined, frames: undefined },
      { formatName: 'matroska,webm', durationSeconds: 4.04 },
    );
    expect(frameGrid(info)).toMatchObject({ frames: 101 });
  });

  test.each([
    ['MPEG-TS', infoOf({}, { formatName: 'mpegts' }), 'no index'],
    ['a fragmented file', infoOf({ frames: undefined }), 'does not count'],
    ['no pictures', infoOf({}, { video: undefined }), 'no pictures'],
    ['no times', infoOf({ timing: undefined }), 'when its pictures are shown'],
  ])('is not there for %s', (_, info, why) => expect(frameGrid(info)).toContain(why));
});

describe('chunks', () => {
  const grid = { rate: { numerator: 30_000, denominator: 1001 }, frames: 0 };

  test('have every picture once, in order, whatever the length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 300 }), (frames, seconds) => {
        const chunks = cutIntoChunks({ ...grid, frames }, seconds);
        const ends = chunks.map((chunk) => chunk.start_frame + chunk.frames);
        expect(chunks.map((chunk) => chunk.start_frame)).toEqual([0, ...ends.slice(0, -1)]);
        expect(ends.at(-1)).toBe(frames);
        expect(Math.min(...chunks.map((chunk) => chunk.frames))).toBeGreaterThan(0);
        expect(chunks.findIndex(({ to_end }) => to_end === true)).toBe(chunks.length - 1);
      }),
    );
  });

  test('have no short rest among them', () => {
    expect(cutIntoChunks({ ...grid, frames: 749 }, 10.01).map(({ frames }) => frames)).toEqual([300, 449]);
    expect(cutIntoChunks({ ...grid, frames: 750 }, 10.01).map(({ frames }) => frames)).toEqual([300, 300, 150]);
  });

  test('end where what is made of them does, if the source goes on', () => {
    const chunks = cutIntoChunks(cutOff({ ...grid, frames: 900 }, 20.02), 10.01);
    expect(chunks.map(({ frames, to_end }) => [frames, to_end])).toEqual([
      [300, undefined],
      [300, undefined],
    ]);
  });
});

test('a chunk is sought before its first picture, and only drawn on once its times are those of the whole', () => {
  const video = { ...PLAIN_VIDEO, timing: { ...timing, startUnits: 128_000 } };
  const chunk = { rate: '25/1', start_frame: 250, frames: 50 };
  const size = { width: 640, height: 360 };
  const drawing = 'ass=subtitles.ass';
  const made = {
    location: { file: 'in.mp4' },
    video,
    startSeconds: 10,
    chunk,
    size,
    rung: 'cpu',
    drawing,
    toneMaps: false,
    outputFile: 'out.mp4',
  } as const;

  const args = chunkArguments(made);

  expect(args.slice(args.indexOf('-copyts'), args.indexOf('-copyts') + 4)).toEqual([
    ...['-copyts', '-noaccurate_seek', '-itsoffset', '-10.000000'],
  ]);
  expect(args[args.indexOf('-ss') + 1]).toBe('8.000000');
  const filters = (args[args.indexOf('-vf') + 1] ?? '').split(',');
  expect(filters).toEqual([
    ...['fps=25/1', 'trim=start_pts=250:end_pts=300', 'scale=640:360:flags=lanczos', 'setsar=1'],
    ...['ass=subtitles.ass', 'format=yuv420p', 'setpts=PTS-250'],
  ]);
  const unsought = chunkArguments({ ...made, unsought: true });
  expect(unsought).not.toContain('-ss');
  expect(unsought[unsought.indexOf('-vf') + 1]).toContain('fps=25/1:start_time=0');
});
