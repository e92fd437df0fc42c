/** Which pictures and which sound can be taken as they are: what every browser, phone and editor plays. */

import { isHdr } from './ffmpeg/arguments/color.ts';
import { isSize, type PictureSize, steadyRate } from './ffmpeg/arguments/picture-path.ts';
import { type AudioStream, framesPerSecond, type MediaInfo, type VideoStream } from './ffmpeg/probe.ts';

const PROFILES = ['Constrained Baseline', 'Baseline', 'Main', 'High'];
/** 5.2: 4K at 60 frames a second. */
const MAX_LEVEL = 52;
/** Twice what a good encoder needs for busy pictures: above it a copy would be small in size only. */
const MAX_BITS_PER_PIXEL = 0.5;
const AAC_PROFILES = ['LC', 'HE-AAC', 'HE-AACv2'];
/** Containers with timestamps that an MP4 can take over as they are. */
const CONTAINERS = ['mp4', 'matroska'];

/** Why the pictures must be encoded to play everywhere; `undefined` where they may be copied into an MP4. */
export function whyNotWebSafe(info: MediaInfo, video: VideoStream): string | undefined {
  const { codec, coding, pixelFormat } = video;
  if (!isMp4Able(info)) return `pictures are not copied out of ${info.formatName}`;
  if (codec !== 'h264') return `the pictures are ${codec}`;
  if (pixelFormat !== 'yuv420p' || coding.fullRange)
    return `the pixels are ${pixelFormat ?? 'unknown'}${coding.fullRange ? ' of full range' : ''}`;
  if (isHdr(video)) return 'the pictures are HDR';
  if (!PROFILES.includes(coding.profile ?? '')) return `the H.264 profile is ${coding.profile ?? 'unknown'}`;
  if ((coding.level ?? 0) > MAX_LEVEL) return `the H.264 level is ${coding.level}`;
  if (coding.turned) return 'the pictures are turned by metadata';
  if (!coding.squarePixels) return 'the pixels are not square';
  if (!coding.progressive) return 'the pictures are interlaced';
  if (video.width % 2 !== 0 || video.height % 2 !== 0) return 'the size is odd';
  if (steadyRate(video) !== undefined) return 'the pictures come at an uneven pace, or too fast';
  return undefined;
}

/** Why a smaller version cannot be a copy. */
export function whyNotCopied(info: MediaInfo, video: VideoStream, wanted: PictureSize): string | undefined {
  if (!isSize(video, wanted)) return `the pictures are ${video.width}x${video.height}, not ${wanted.width}x${wanted.height}`;
  const unsafe = whyNotWebSafe(info, video);
  if (unsafe !== undefined) return unsafe;
  const rate = video.frameRate === undefined ? 0 : framesPerSecond(video.frameRate);
  const bitsPerPixel = (video.coding.bitsPerSecond ?? 0) / (video.width * video.height * rate);
  return bitsPerPixel > MAX_BITS_PER_PIXEL ? 'the pictures take too many bits for their size' : undefined;
}

/** AAC stays as it is: a second encode only loses. */
export function isWebSafeSound(info: MediaInfo, { codec, profile }: AudioStream): boolean {
  return isMp4Able(info) && codec === 'aac' && AAC_PROFILES.includes(profile ?? '');
}

function isMp4Able({ formatName }: MediaInfo): boolean {
  return formatName.split(',').some((name) => CONTAINERS.includes(name));
}

export interface JoinableClip {
  readonly info: MediaInfo;
  readonly video: VideoStream;
}

/** Within this of its frames' sum a clip's length is the rounding of its container. */
const LENGTH_ROUNDING_FRAMES = 0.5;

/** Why clips cannot be joined without encoding their pictures; `undefined` where they can. */
export function whyNotJoined(clips: readonly JoinableClip[]): string | undefined {
  const [first] = clips;
  for (const [index, clip] of clips.entries()) {
    const { video, info } = clip;
    const unsafe = whyNotWebSafe(info, video);
    if (unsafe !== undefined) return `clip ${index}: ${unsafe}`;
    const rate = video.frameRate === undefined ? 0 : framesPerSecond(video.frameRate);
    const lengthInFrames = (video.durationSeconds ?? 0) * rate;
    if (video.frames === undefined || Math.abs(lengthInFrames - video.frames) > LENGTH_ROUNDING_FRAMES) {
      return `clip ${index} does not say how many pictures it has`;
    }
    if (Math.abs(video.coding.startSeconds ?? 0) * rate > LENGTH_ROUNDING_FRAMES)
      return `clip ${index} does not begin with its pictures`;
    if (video.coding.configurationHash === undefined) return `clip ${index} does not tell how it is coded`;
    if (first !== undefined && identityOf(video) !== identityOf(first.video)) return `clips 0 and ${index} are coded differently`;
  }
  return undefined;
}

/** The configuration holds profile, level, size, pixel format and reference frames; the rate it may leave out. */
function identityOf({ width, height, frameRate, coding }: VideoStream): string {
  const rate = frameRate === undefined ? 0 : framesPerSecond(frameRate).toFixed(3);
  const { configurationHash, matrix, primaries, transfer } = coding;
  return JSON.stringify([width, height, rate, configurationHash, matrix, primaries, transfer]);
}
