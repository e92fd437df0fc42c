/** The final video: the pictures of one file, the sound of another, subtitles burnt in. */
import type { AudioStream, VideoStream } from '../probe.ts';
import type { Rung } from '../rung.ts';
import { FROM_THE_BEGINNING } from './audio-cut.ts';
import { colorArguments } from './color.ts';
import { MP4_ARGUMENTS, NOTHING_ELSE } from './downsample.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS, SUBTITLE_FORMATS, seconds } from './input.ts';
import { decodingArguments, encodingArguments, floorToEven, type PictureSize, pictureFilters } from './picture-path.ts';
import { aacFilters } from './sound-level.ts';

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
  readonly rung: Rung;
  /** HDR pictures become SDR ones. */
  readonly toneMaps: boolean;
  readonly outputFile: string;
}

export function encodeArguments(encode: Encode): string[] {
  const { video, rung, subtitles, toneMaps } = encode;
  const path = { rung, video, size: encodedSize(video), toneMaps };
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...decodingArguments(rung),
    ...inputArguments(encode.videoLocation),
    ...inputArguments(encode.audioLocation),
    ...['-map', `0:${video.index}`, '-map', `1:${encode.audio.index}`, ...NOTHING_ELSE],
    ...['-vf', pictureFilters(subtitles ? { ...path, drawing: SUBTITLES_FILTER } : path)],
    ...soundArguments(encode),
    ...encodingArguments(rung),
    ...colorArguments(video, toneMaps),
    ...['-t', seconds(encode.durationSeconds)],
    ...MP4_ARGUMENTS,
    encode.outputFile,
  ];
}

/** The sound of the whole, alone: for pictures that are made in chunks. */
export function encodeSoundArguments(sound: Sound & Pick<Encode, 'audioLocation' | 'outputFile'>): string[] {
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...inputArguments(sound.audioLocation),
    ...['-map', `0:${sound.audio.index}`, ...NOTHING_ELSE],
    ...soundArguments(sound),
    ...['-t', seconds(sound.durationSeconds)],
    ...MP4_ARGUMENTS,
    sound.outputFile,
  ];
}

type Sound = Pick<Encode, 'audio' | 'durationSeconds'>;

function soundArguments(sound: Sound): string[] {
  return ['-af', soundFilters(sound), '-c:a', 'aac', '-b:a', AUDIO_BITRATE, '-ac', '2'];
}

/** Cut before it is measured: what lies behind the pictures' end is never heard. Sound that begins late in its own file begins late here. */
function soundFilters({ audio, durationSeconds }: Sound): string {
  const resampling = audio.delaySeconds === undefined ? 'aresample=48000' : `aresample=48000,${FROM_THE_BEGINNING}`;
  return [resampling, aacFilters(['apad', `atrim=end=${seconds(durationSeconds)}`], 'stereo')].join(',');
}

/** The `ass` filter reads its file with libass alone; `subtitles` would open it as media, playlists and all. */
export const SUBTITLES_FILTER = `ass=${SUBTITLES_FILE}:fontsdir=${FONTS_FOLDER}`;

/** The size as it is shown, even on both sides. */
export function encodedSize(video: Pick<VideoStream, 'displayWidth' | 'displayHeight'>): PictureSize {
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
