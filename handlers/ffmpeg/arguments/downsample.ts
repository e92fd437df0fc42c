/** A smaller copy of a video. */
import type { MediaInfo, VideoStream } from '../probe.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS } from './input.ts';
import { type VideoEncoder, videoEncoderArguments } from './video-encoder.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

const PREVIEW_CRF = 23;
const STEREO_BITRATE = '128k';
const SURROUND_BITRATE = '384k';

/**
 * The size with the aspect ratio kept and both sides even, no taller than `height` and no larger than the source as it is shown.
 */
export function downsampledSize(video: Pick<VideoStream, 'displayWidth' | 'displayHeight'>, height: number): PictureSize {
  const evenHeight = floorToEven(Math.min(height, video.displayHeight));
  const width = (video.displayWidth * evenHeight) / video.displayHeight;
  return { width: Math.min(nearestEven(width), floorToEven(video.displayWidth)), height: evenHeight };
}

/** The smallest picture that 4:2:0 H.264 can hold is 2 x 2. */
export function floorToEven(value: number): number {
  return Math.max(2, Math.floor(value / 2) * 2);
}

export function nearestEven(value: number): number {
  return Math.max(2, Math.round(value / 2) * 2);
}

export interface Downsample {
  readonly location: MediaLocation;
  readonly info: MediaInfo;
  readonly video: VideoStream;
  readonly size: PictureSize;
  readonly encoder: VideoEncoder;
  readonly outputFile: string;
}

/** ffmpeg turns rotated pictures upright before the first filter, so the size is that of the upright picture. */
export function downsampleArguments({ location, info, video, size, encoder, outputFile }: Downsample): string[] {
  const bitrate = (info.audio?.channels ?? 0) > 2 ? SURROUND_BITRATE : STEREO_BITRATE;
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...inputArguments(location),
    ...['-map', `0:${video.index}`],
    ...(info.audio === undefined ? [] : ['-map', `0:${info.audio.index}`, '-c:a', 'aac', '-b:a', bitrate]),
    ...['-sn', '-dn', '-map_chapters', '-1'],
    ...['-vf', `scale=${size.width}:${size.height}:flags=lanczos,setsar=1,format=yuv420p`],
    ...videoEncoderArguments(encoder, PREVIEW_CRF),
    ...MP4_ARGUMENTS,
    outputFile,
  ];
}

/** The index first, so that players start before the whole file is there; queues that hold a stream that starts late. */
export const MP4_ARGUMENTS = ['-movflags', '+faststart', '-max_muxing_queue_size', '4096', '-f', 'mp4'] as const;
