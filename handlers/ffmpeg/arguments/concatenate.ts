/**
 * Many clips as one video. Each clip is brought to the common canvas by itself (pictures encoded once, for good; sound as PCM), then
 * the pictures are joined without encoding them again and the sound is encoded once, as a whole: cutting AAC at the joins would
 * add 20 to 80 ms of drift.
 */
import type { FrameRate, VideoStream } from '../probe.ts';
import { framesPerSecond } from '../probe.ts';
import type { Rung } from '../rung.ts';
import { CUT_SAMPLE_RATE, PCM_FILTERS } from './audio-cut.ts';
import { rangeOptions } from './color.ts';
import { MP4_ARGUMENTS } from './downsample.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS, seconds } from './input.ts';
import { decodingArguments, deinterlacing, encodingArguments, floorToEven, type PictureSize } from './picture-path.ts';
import { aacFilters } from './sound-level.ts';
import { toneMapFilters } from './tone-map.ts';

export interface Canvas extends PictureSize {
  readonly rate: FrameRate;
}

const FALLBACK_RATE: FrameRate = { numerator: 30, denominator: 1 };
const MAX_CANVAS_FRAMES_PER_SECOND = 60;
const DEFAULT_AUDIO_KBPS = 192;

type ClipPicture = Pick<VideoStream, 'displayWidth' | 'displayHeight' | 'frameRate'>;

/** The most common size and the most common rate among the clips; the first of those that are equally common. */
export function canvasOf(clips: readonly ClipPicture[]): Canvas {
  const size = mostCommon(clips, (clip) => `${clip.displayWidth}x${clip.displayHeight}`);
  const rate = mostCommon(clips, (clip) => rateKey(clip.frameRate))?.frameRate ?? FALLBACK_RATE;
  return {
    width: floorToEven(size?.displayWidth ?? 0),
    height: floorToEven(size?.displayHeight ?? 0),
    rate:
      framesPerSecond(rate) > MAX_CANVAS_FRAMES_PER_SECOND ? { numerator: MAX_CANVAS_FRAMES_PER_SECOND, denominator: 1 } : rate,
  };
}

function rateKey(rate: FrameRate | undefined): string {
  return rate === undefined ? 'unknown' : framesPerSecond(rate).toFixed(3);
}

function mostCommon<T>(entries: readonly T[], keyOf: (entry: T) => string): T | undefined {
  const groups = new Map<string, T[]>();
  for (const entry of entries) groups.set(keyOf(entry), [...(groups.get(keyOf(entry)) ?? []), entry]);
  return [...groups.values()].reduce<T[]>((best, group) => (group.length > best.length ? group : best), [])[0];
}

/** How many frames each clip gets, so that rounding never adds up: the sum is the rounded total. */
export function frameCounts(durationsSeconds: readonly number[], rate: FrameRate): number[] {
  let totalSeconds = 0;
  let placed = 0;
  return durationsSeconds.map((duration) => {
    totalSeconds += duration;
    const count = Math.max(1, Math.round(totalSeconds * framesPerSecond(rate)) - placed);
    placed += count;
    return count;
  });
}

/** The sample at which frame `frames` begins. */
export function samplesAt(frames: number, rate: FrameRate): number {
  return Math.round((frames * rate.denominator * CUT_SAMPLE_RATE) / rate.numerator);
}

/** How the pictures of all clips are made: on one rung with one quality, HDR ones perhaps as SDR ones; or copied. */
export type ClipPictures = { readonly rung: Rung; readonly crf: number | undefined; readonly toneMaps: boolean } | 'copied';

export interface Clip {
  readonly location: MediaLocation;
  readonly video: VideoStream;
  readonly audioIndex: number | undefined;
  readonly canvas: Canvas;
  readonly frames: number;
  readonly pictures: ClipPictures;
  readonly videoFile: string;
  /** Gets raw s16le stereo at 48 kHz, from the clip's beginning; not written where the clip has no sound. */
  readonly audioFile: string;
}

/** Exactly `frames` pictures. */
export function clipArguments(clip: Clip): string[] {
  const { canvas, pictures } = clip;
  const durationSeconds = clip.frames / framesPerSecond(canvas.rate);
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...(pictures === 'copied' ? [] : decodingArguments(pictures.rung)),
    ...inputArguments(clip.location),
    ...['-map', `0:${clip.video.index}`],
    ...(pictures === 'copied' ? ['-c:v', 'copy'] : encodedClipArguments(clip, durationSeconds, pictures)),
    ...['-video_track_timescale', String(trackTimescale(canvas.rate)), '-map_metadata', '-1', '-f', 'mp4', clip.videoFile],
    ...(clip.audioIndex === undefined ? [] : clipAudioArguments(clip.audioIndex, clip.audioFile, durationSeconds)),
  ];
}

/** The last picture is held where the clip ends early. */
function encodedClipArguments(
  { video, canvas, frames }: Clip,
  durationSeconds: number,
  { rung, crf, toneMaps }: Exclude<ClipPictures, 'copied'>,
): string[] {
  const { width, height, rate } = canvas;
  const filters = [
    ...deinterlacing(video),
    `fps=${rate.numerator}/${rate.denominator}:start_time=0`,
    // The aspect ratio as shown counts, so pixels become square first.
    `scale=${fitted(video, canvas)}:flags=lanczos${rangeOptions(video)}`,
    ...(toneMaps ? toneMapFilters(video) : []),
    'setsar=1',
    `pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2`,
    'format=yuv420p',
    `tpad=stop_mode=clone:stop_duration=${seconds(durationSeconds)}`,
  ];
  return [
    ...['-vf', filters.join(','), '-frames:v', String(frames)],
    ...encodingArguments(rung, crf),
    ...['-flags', '+cgop', '-color_range', 'tv'],
  ];
}

/** Sound that starts later than the pictures gets silence in front, so that both stay together. */
function clipAudioArguments(audioIndex: number, audioFile: string, durationSeconds: number): string[] {
  const filters = ['aresample=async=1:first_pts=0', ...PCM_FILTERS];
  return ['-map', `0:${audioIndex}`, '-af', filters.join(','), '-t', seconds(durationSeconds), '-f', 's16le', audioFile];
}

/** The largest even size with the clip's aspect ratio inside the canvas. */
function fitted(video: ClipPicture, canvas: PictureSize): string {
  const factor = Math.min(canvas.width / video.displayWidth, canvas.height / video.displayHeight);
  const side = (length: number, limit: number) => Math.min(limit, Math.max(2, Math.round((length * factor) / 2) * 2));
  return `${side(video.displayWidth, canvas.width)}:${side(video.displayHeight, canvas.height)}`;
}

/** A time scale in which every frame lasts a whole number of units. */
export function trackTimescale(rate: FrameRate): number {
  const MIN_TIMESCALE = 10_000;
  return rate.numerator * Math.max(1, Math.ceil(MIN_TIMESCALE / rate.numerator));
}

/** The concat demuxer's list. The durations keep a file's rounded length from moving those behind it. */
export function concatList(clips: readonly { readonly file: string; readonly frames: number }[], rate: FrameRate): string {
  const lines = clips.map(({ file, frames }) => `file ${file}\nduration ${seconds(frames / framesPerSecond(rate))}\n`);
  return `ffconcat version 1.0\n${lines.join('')}`;
}

export interface Join {
  readonly listFile: string;
  /** Raw, and exactly as long as the pictures. */
  readonly audioFile: string;
  readonly rate: FrameRate;
  readonly audioKbps: number | undefined;
  readonly outputFile: string;
}

export function joinArguments(join: Join): string[] {
  const raw = ['-f', 's16le', '-ar', String(CUT_SAMPLE_RATE), '-ac', '2'];
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    // The list is our own, and so are the files that it names.
    ...inputArguments({ file: join.listFile }, { formats: 'concat,mov,mp4,m4a,3gp,3g2,mj2', format: 'concat' }),
    ...['-format_whitelist', 's16le', '-protocol_whitelist', 'file', ...raw, '-i', join.audioFile],
    ...['-map', '0:v:0', '-map', '1:a:0', '-c:v', 'copy'],
    ...['-af', aacFilters(), '-c:a', 'aac', '-b:a', `${join.audioKbps ?? DEFAULT_AUDIO_KBPS}k`],
    ...['-video_track_timescale', String(trackTimescale(join.rate)), ...MP4_ARGUMENTS],
    join.outputFile,
  ];
}
