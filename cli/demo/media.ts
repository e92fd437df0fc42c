/** The demo's inputs, made by ffmpeg: a minute of talk, two videos, and one clip per segment. */
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ffmpegFailure } from '../../handlers/ffmpeg/failure.ts';
import type { Tools } from '../../handlers/ffmpeg/locate.ts';
import { runTool } from '../../handlers/ffmpeg/run.ts';
import { dejavuFontsDir } from '../../handlers/fonts.ts';
import type { Segment } from '../../manifests/segments.ts';
import { FRAMES_PER_SECOND, MASTER_SECONDS, PAUSE_SECONDS, SAMPLE_RATE, SEGMENTS, segmentSeconds, speechOf } from './segments.ts';
import { speakerScene } from './speaker.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

export const LANDSCAPE: PictureSize = { width: 1280, height: 720 };
export const PORTRAIT: PictureSize = { width: 720, height: 1280 };
export const VIDEO_SECONDS = 6;

const WIDE: PictureSize = { width: 640, height: 360 };
const TALL: PictureSize = { width: 360, height: 640 };
const SQUARE: PictureSize = { width: 480, height: 480 };
/** Mixed, so that joining them needs a common canvas; that is the most common size among them. */
const CLIP_SIZES: readonly PictureSize[] = [WIDE, TALL, WIDE, SQUARE, WIDE, WIDE, TALL, WIDE, SQUARE, WIDE];
export const CANVAS = WIDE;

export const clipSize = (index: number): PictureSize => CLIP_SIZES[index % CLIP_SIZES.length] ?? WIDE;

export interface DemoMedia {
  readonly master: string;
  readonly landscape: string;
  readonly portrait: string;
}

export interface MediaMaker {
  /** Makes the inputs that are there from the beginning. */
  makeInputs(): Promise<DemoMedia>;
  /** Makes what a talking-head model would: a clip as long as the segment's WAV, with its sound. */
  makeClip(segment: Segment, index: number, wavFile: string): Promise<string>;
}

export interface MediaMakerOptions {
  readonly tools: Tools;
  readonly directory: string;
  readonly signal: AbortSignal;
}

export async function createMediaMaker({ tools, directory, signal }: MediaMakerOptions): Promise<MediaMaker> {
  // A static build knows no font of the system, and libass complains where it finds none at all.
  await symlink(dejavuFontsDir(), join(directory, FONTS_LINK), 'dir');
  const make = async (name: string, args: readonly string[]): Promise<string> => {
    const end = await runTool({
      file: tools.ffmpeg,
      args: ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y', ...args, name],
      cwd: directory,
      signal,
    });
    if (end.exitCode !== 0) throw ffmpegFailure(end);
    return join(directory, name);
  };
  return {
    async makeInputs() {
      const [master, landscape, portrait] = await Promise.all([
        make('master.m4a', talkArguments()),
        make('landscape.mp4', videoArguments(LANDSCAPE, 220)),
        make('portrait.mp4', videoArguments(PORTRAIT, 330)),
      ]);
      return { master, landscape, portrait };
    },
    async makeClip(segment, index, wavFile) {
      const scene = `segment_${index}.ass`;
      const durationSeconds = segmentSeconds(segment);
      const { width, height } = clipSize(index);
      const speechSeconds = segment.duration_sec - PAUSE_SECONDS;
      await writeFile(join(directory, scene), speakerScene({ width, height, durationSeconds, speechSeconds, index }));
      return make(`segment_${index}.mp4`, clipArguments({ width, height }, durationSeconds, scene, wavFile));
    },
  };
}

const FONTS_LINK = 'fonts';
const FAST_H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '28', '-pix_fmt', 'yuv420p'] as const;

/** Hums with a wandering pitch in syllables, and is silent in the pauses between the segments. */
export function talkArguments(): string[] {
  const speaking = SEGMENTS.map((segment) => speechOf(segment))
    .map(({ from, to }) => `between(t,${from},${to})`)
    .join('+');
  const pitch = 'PI*280*t+9*sin(2*PI*0.31*t)+4*sin(2*PI*1.3*t)';
  const syllables = '(0.6+0.4*sin(2*PI*3.6*t))';
  const voice = `(sin(${pitch})+0.5*sin(2*(${pitch}))+0.3*sin(5*(${pitch})))`;
  const source = `aevalsrc='0.3*(${speaking})*${syllables}*${voice}':s=${SAMPLE_RATE}:d=${MASTER_SECONDS}`;
  return ['-f', 'lavfi', '-i', source, '-c:a', 'aac', '-b:a', '96k'];
}

function videoArguments({ width, height }: PictureSize, hertz: number): string[] {
  const seconds = String(VIDEO_SECONDS);
  return [
    ...['-f', 'lavfi', '-i', `testsrc2=s=${width}x${height}:r=${FRAMES_PER_SECOND}:d=${seconds}`],
    ...['-f', 'lavfi', '-i', `sine=f=${hertz}:r=${SAMPLE_RATE}:d=${seconds}`],
    ...FAST_H264,
    ...['-c:a', 'aac', '-t', seconds],
  ];
}

function clipArguments({ width, height }: PictureSize, durationSeconds: number, scene: string, wavFile: string): string[] {
  const size = `${width}x${height}`;
  return [
    ...['-f', 'lavfi', '-i', `color=black:s=${size}:r=${FRAMES_PER_SECOND}:d=${durationSeconds}`, '-i', wavFile],
    ...['-map', '0:v', '-map', '1:a', '-vf', `ass=${scene}:fontsdir=${FONTS_LINK}`],
    ...FAST_H264,
    ...['-c:a', 'aac'],
  ];
}
