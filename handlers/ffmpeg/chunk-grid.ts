/**
 * Where a long video is cut. All of its pictures lie on a grid of one constant rate, counted from where the file begins: chunks are
 * spans of that grid, so that every worker cuts at the same pictures without a word to the others, whatever the source's key frames,
 * time stamps and edits are like.
 */
import type { Chunk } from '../../manifests/chunks.ts';
import { steadyRate } from './arguments/picture-path.ts';
import { type FrameRate, frameRate, framesPerSecond, type MediaInfo, type VideoStream } from './probe.ts';

export interface FrameGrid {
  readonly rate: FrameRate;
  /** From where the file begins: pictures that begin later are preceded by the first of them. */
  readonly frames: number;
  /** The source goes on behind them. */
  readonly isCutOff?: true;
}

/** Containers whose index leads to the key frame before a time. In others a seek may land behind it, or nowhere. */
const INDEXED = ['mp4', 'matroska'];
/** Further apart, the length of the pictures and their count speak of different things (a picture that is held, an edit). */
const COUNTED_WITHIN_FRAMES = 0.5;

/** The grid of a video, or why it has none that can be trusted. */
export function frameGrid({ formatName, startSeconds, video, durationSeconds }: MediaInfo): FrameGrid | string {
  if (video === undefined) return 'it has no pictures';
  if (!formatName.split(',').some((name) => INDEXED.includes(name))) return `${formatName} has no index that can be trusted`;
  const { timing, frames } = video;
  const rate = gridRate(video);
  if (timing === undefined || startSeconds === undefined || rate === undefined)
    return 'it does not tell when its pictures are shown';
  // Samples of a fragmented file are in no index: a seek would read all that lies before.
  if (formatName.includes('mp4') && frames === undefined) return 'its index does not count its pictures';
  const startUnits = timing.startUnits - originUnits(startSeconds, timing.unit);
  const startFrame = Math.max(0, Math.round(startUnits * framesPerSecond(timing.unit) * framesPerSecond(rate)));
  // Matroska tells only when the whole ends.
  const { durationSeconds: ownSeconds = (durationSeconds ?? 0) - startSeconds - startFrame / framesPerSecond(rate) } = video;
  if (ownSeconds <= 0) return 'it does not tell how long it lasts';
  const ofLength = ownSeconds * framesPerSecond(rate);
  const isCounted = frames !== undefined && Math.abs(ofLength - frames) <= COUNTED_WITHIN_FRAMES;
  return { rate, frames: startFrame + (isCounted ? frames : Math.round(ofLength)) };
}

/** The pace that pictures are brought to where theirs is uneven; else the rate that their times are multiples of. */
function gridRate(video: VideoStream): FrameRate | undefined {
  const pace = steadyRate(video);
  if (pace === undefined) return video.timing?.baseRate ?? video.frameRate;
  return frameRate(pace.includes('/') ? pace : `${pace}/1`);
}

/** Where the file begins, in units of its pictures: ffmpeg subtracts this, rounded like so, from every time. */
function originUnits(startSeconds: number, unit: FrameRate): number {
  const MICROSECONDS = 1_000_000;
  return Math.round((Math.round(startSeconds * MICROSECONDS) * unit.denominator) / (MICROSECONDS * unit.numerator));
}

/** The same, cut off after so many seconds, where what is made of it is. */
export function cutOff(grid: FrameGrid, seconds: number): FrameGrid {
  const frames = Math.ceil(seconds * framesPerSecond(grid.rate) - ROUNDING_FRAMES);
  return frames < grid.frames ? { ...grid, frames, isCutOff: true } : grid;
}

const ROUNDING_FRAMES = 0.01;

/** A rest shorter than this share of a chunk goes with the one before it. */
const SHORTEST_SHARE = 0.5;

/** Chunks of about that length, the whole in order; one where it is too short for two. */
export function cutIntoChunks({ rate, frames, isCutOff }: FrameGrid, chunkSeconds: number): Chunk[] {
  const chunkFrames = Math.max(1, Math.round(chunkSeconds * framesPerSecond(rate)));
  const count = Math.max(1, Math.floor(frames / chunkFrames + (1 - SHORTEST_SHARE)));
  const common = { rate: `${rate.numerator}/${rate.denominator}` };
  return Array.from({ length: count }, (_, index): Chunk => {
    const start = index * chunkFrames;
    const chunk = { ...common, start_frame: start };
    if (index < count - 1) return { ...chunk, frames: chunkFrames };
    return { ...chunk, frames: frames - start, ...(isCutOff === true ? {} : { to_end: true }) };
  });
}
