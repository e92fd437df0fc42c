/** How every input is opened, and what every call of ffmpeg starts with. */

/** A file on this machine, or a URL of the gateway on loopback. Nothing else is ever given to ffmpeg. */
export type MediaLocation = { readonly file: string } | { readonly url: string };

/**
 * The containers that are read. Without this list a "video" that is really a playlist makes ffmpeg read local files and fetch
 * other URLs; 5.1 does so with exit status 0.
 */
export const MEDIA_FORMATS = 'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,wav,mp3,flac,ogg,aac,mpegts,avi';
export const SUBTITLE_FORMATS = 'ass,srt,webvtt';

/** 8K is 33 million. A 750 KB file of 16,384 x 16,384 pixels takes 885 MB of memory without this. */
const MAX_PIXELS = 40_000_000;

/** What every call of ffmpeg starts with. Progress goes to stdout, unless stdout is for data. */
export const GLOBAL_ARGUMENTS = ['-nostdin', '-hide_banner', '-nostats', '-loglevel', 'warning', '-y'] as const;
export const PROGRESS_ARGUMENTS = ['-progress', 'pipe:1'] as const;

export interface InputOptions {
  readonly formats?: string;
  /** The demuxer to use, for input that does not say what it is. */
  readonly format?: string;
  readonly seekSeconds?: number;
  readonly durationSeconds?: number;
}

/** The guards that ffmpeg and ffprobe have in common. */
export function guardArguments(location: MediaLocation, formats: string = MEDIA_FORMATS): string[] {
  const protocols = 'url' in location ? 'http,tcp' : 'file';
  return ['-format_whitelist', formats, '-protocol_whitelist', protocols, '-max_pixels', String(MAX_PIXELS)];
}

export function inputArguments(location: MediaLocation, options: InputOptions = {}): string[] {
  return [
    ...guardArguments(location, options.formats),
    ...(options.format === undefined ? [] : ['-f', options.format]),
    // `-ss 0` is not the same as none: it makes old builds mistake the encoder's priming for sound.
    ...(options.seekSeconds === undefined || options.seekSeconds === 0 ? [] : ['-ss', seconds(options.seekSeconds)]),
    ...(options.durationSeconds === undefined ? [] : ['-t', seconds(options.durationSeconds)]),
    '-i',
    'url' in location ? location.url : location.file,
  ];
}

/** ffmpeg counts time in microseconds. */
export function seconds(value: number): string {
  return value.toFixed(6);
}
