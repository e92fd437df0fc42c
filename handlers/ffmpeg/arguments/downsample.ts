/** A smaller copy of a video. */
import type { AudioStream, VideoStream } from '../probe.ts';
import type { Rung } from '../rung.ts';
import { colorArguments } from './color.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS } from './input.ts';
import {
  decodingArguments,
  encodingArguments,
  floorToEven,
  nearestEven,
  type PictureSize,
  pictureFilters,
} from './picture-path.ts';
import { aacFilters } from './sound-level.ts';

export const PREVIEW_CRF = 23;
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

/** The first track of sound; the others are left behind. */
export interface PreviewSound {
  readonly audio: AudioStream;
  readonly copied: boolean;
}

export interface Downsample {
  readonly location: MediaLocation;
  readonly video: VideoStream;
  readonly sound: PreviewSound | undefined;
  readonly size: PictureSize;
  readonly rung: Rung;
  /** HDR pictures become SDR ones. */
  readonly toneMaps: boolean;
  readonly outputFile: string;
}

export function downsampleArguments(downsample: Downsample): string[] {
  const { location, video, sound, rung, toneMaps, outputFile } = downsample;
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...decodingArguments(rung),
    ...inputArguments(location),
    ...streamArguments(video, sound),
    ...['-vf', pictureFilters(downsample)],
    ...encodingArguments(rung, PREVIEW_CRF),
    ...colorArguments(video, toneMaps),
    ...MP4_ARGUMENTS,
    outputFile,
  ];
}

/** The sound alone, as it is beside the pictures: for pictures that are made in chunks. */
export function previewSoundArguments(location: MediaLocation, sound: PreviewSound, outputFile: string): string[] {
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...inputArguments(location),
    ...['-map', `0:${sound.audio.index}`, ...soundArguments(sound), ...NOTHING_ELSE],
    ...MP4_ARGUMENTS,
    outputFile,
  ];
}

/** The same pictures in an MP4 with its index first. */
export function previewCopyArguments({
  location,
  video,
  sound,
  outputFile,
}: Omit<Downsample, 'size' | 'rung' | 'toneMaps'>): string[] {
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...inputArguments(location),
    ...streamArguments(video, sound),
    ...['-c:v', 'copy', ...MP4_ARGUMENTS, outputFile],
  ];
}

export const NOTHING_ELSE = ['-sn', '-dn', '-map_chapters', '-1'] as const;

function streamArguments(video: VideoStream, sound: PreviewSound | undefined): string[] {
  return [
    ...['-map', `0:${video.index}`],
    ...(sound === undefined ? [] : ['-map', `0:${sound.audio.index}`, ...soundArguments(sound)]),
    ...NOTHING_ELSE,
  ];
}

function soundArguments({ audio, copied }: PreviewSound): string[] {
  if (copied) return ['-c:a', 'copy'];
  return ['-af', aacFilters(), '-c:a', 'aac', '-b:a', audio.channels > 2 ? SURROUND_BITRATE : STEREO_BITRATE];
}

/** The index first, so that players start before the whole file is there; queues that hold a stream that starts late. */
export const MP4_ARGUMENTS = ['-movflags', '+faststart', '-max_muxing_queue_size', '4096', '-f', 'mp4'] as const;
