/** The final video: the pictures of one file, the sound of another, subtitles burnt in. */
import type { AudioStream, VideoStream } from '../probe.ts';
import { floorToEven, MP4_ARGUMENTS } from './downsample.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS, SUBTITLE_FORMATS, seconds } from './input.ts';
import { type VideoEncoder, videoEncoderArguments } from './video-encoder.ts';

/** Fixed names inside the private working directory: nothing that a user wrote enters a filter's text. */
export const SUBTITLES_FILE = 'subtitles.ass';
export const FONTS_FOLDER = 'fonts';

const AUDIO_BITRATE = '192k';

export interface Encode {
  readonly videoLocation: MediaLocation;
  readonly video: VideoStream;
  readonly audioLocation: MediaLocation;
  readonly audio: AudioStream;
  /** Burns in `SUBTITLES_FILE` of the working directory. */
  readonly subtitles: boolean;
  /** The video's: the sound is cut or padded with silence to it. `-shortest` would overshoot. */
  readonly durationSeconds: number;
  readonly encoder: VideoEncoder;
  readonly outputFile: string;
}

export function encodeArguments(encode: Encode): string[] {
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...inputArguments(encode.videoLocation),
    ...inputArguments(encode.audioLocation),
    ...['-map', `0:${encode.video.index}`, '-map', `1:${encode.audio.index}`, '-sn', '-dn', '-map_chapters', '-1'],
    ...['-vf', videoFilters(encode)],
    ...['-af', 'aresample=48000,apad', '-c:a', 'aac', '-b:a', AUDIO_BITRATE, '-ac', '2'],
    ...videoEncoderArguments(encode.encoder),
    ...['-t', seconds(encode.durationSeconds)],
    ...MP4_ARGUMENTS,
    encode.outputFile,
  ];
}

/** The `ass` filter reads its file with libass alone; `subtitles` would open it as media, playlists and all. */
function videoFilters({ video, subtitles }: Encode): string {
  const size = encodedSize(video);
  const scaled =
    size.width !== video.displayWidth ||
    size.height !== video.displayHeight ||
    video.width * video.height !== size.width * size.height;
  return [
    ...(scaled ? [`scale=${size.width}:${size.height}:flags=lanczos`] : []),
    'setsar=1',
    ...(subtitles ? [`ass=${SUBTITLES_FILE}:fontsdir=${FONTS_FOLDER}`] : []),
    'format=yuv420p',
  ].join(',');
}

/** The size as it is shown, even on both sides. */
export function encodedSize(video: Pick<VideoStream, 'displayWidth' | 'displayHeight'>): { width: number; height: number } {
  return { width: floorToEven(video.displayWidth), height: floorToEven(video.displayHeight) };
}

/** SubRip, WebVTT and UTF-16 files as UTF-8 ASS. */
export function subtitleConversionArguments(inputFile: string, outputFile: string): string[] {
  return [
    ...GLOBAL_ARGUMENTS,
    ...inputArguments({ file: inputFile }, { formats: SUBTITLE_FORMATS }),
    ...['-map', '0:s:0', '-c:s', 'ass', '-f', 'ass', outputFile],
  ];
}
