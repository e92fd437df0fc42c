/**
 * Is this what was asked for? ffmpeg ends with status 0 on a dropped connection, a truncated input and a seek past the end, so
 * only a look at the output tells.
 */
import { MillraceError } from '../../errors.ts';
import { framesPerSecond, type MediaInfo } from '../ffmpeg/probe.ts';

export interface VideoExpectation {
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
  /** Of the pictures; `undefined` where the input does not tell. */
  readonly videoSeconds: number | undefined;
  /** Of the whole, where a file whose pictures do not come at an even pace is measured by it instead. */
  readonly totalSeconds?: number | undefined;
  readonly frames?: number;
}

const TOLERANCE_SECONDS = 0.05;

/** Throws OUTPUT_INVALID, saying what is wrong. */
export function verifyVideo(info: MediaInfo, expected: VideoExpectation): void {
  const { video } = info;
  if (video === undefined) throw invalid('the output has no pictures');
  if (video.codec !== 'h264' || video.pixelFormat !== 'yuv420p')
    throw invalid(`the output is ${video.codec} ${video.pixelFormat}`);
  if (video.width % 2 !== 0 || video.height % 2 !== 0) throw invalid(`the output's size ${video.width}x${video.height} is odd`);
  if (video.width !== expected.width || video.height !== expected.height) {
    throw invalid(`the output is ${video.width}x${video.height}, not ${expected.width}x${expected.height}`);
  }
  if (expected.audio !== (info.audio !== undefined))
    throw invalid(expected.audio ? 'the output has no sound' : 'the output has sound');
  if (expected.frames !== undefined && video.frames !== expected.frames) {
    throw invalid(`the output has ${video.frames} frames, not ${expected.frames}`);
  }
  verifyDuration(info, expected);
}

function verifyDuration(info: MediaInfo, { videoSeconds, totalSeconds }: VideoExpectation): void {
  const rate = info.video?.frameRate;
  const tolerance = Math.max(TOLERANCE_SECONDS, rate === undefined ? 0 : 1 / framesPerSecond(rate)) + ROUNDING_SECONDS;
  const pairs = [
    { found: info.video?.durationSeconds ?? info.durationSeconds, wanted: videoSeconds },
    { found: info.durationSeconds, wanted: totalSeconds },
  ].filter((pair) => pair.wanted !== undefined);
  const fits = pairs.some(({ found, wanted = 0 }) => found !== undefined && Math.abs(found - wanted) <= tolerance);
  const [first] = pairs;
  if (first !== undefined && !fits) {
    throw invalid(`the output lasts ${first.found?.toFixed(3)} s, not ${first.wanted?.toFixed(3)} s`);
  }
}

/** Containers round the last frame to their own units. */
const ROUNDING_SECONDS = 0.002;

function invalid(what: string): MillraceError {
  return new MillraceError('OUTPUT_INVALID', `Nothing was uploaded: ${what}.`);
}
