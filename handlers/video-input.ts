/** What tasks ask of an input before they spend time on it. */
import { MillraceError } from '../errors.ts';
import type { AudioStream, MediaInfo, VideoStream } from './ffmpeg/probe.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { ProbeOptions } from './media.ts';
import type { VideoExpectation } from './outputs/verify.ts';
import { both } from './pool.ts';
import type { TaskContext } from './task-context.ts';
import type { VideoSound } from './video-sound.ts';

export interface SeenInput {
  readonly input: OpenInput;
  readonly info: MediaInfo;
}

/** Opens an input and tells what it is: ffprobe starts while it is opened. Throws what either throws. */
export async function openAndProbe(
  uri: string,
  etag: string | null | undefined,
  { openInput, media }: Pick<TaskContext, 'openInput' | 'media'>,
  options?: ProbeOptions,
): Promise<SeenInput> {
  const opening = openInput(uri, etag);
  const data = opening.then((input) => input.data);
  const [input, info] = await both(opening, media.probe(data, options));
  return { input, info };
}

/** Throws INPUT_INVALID where there are no pictures. */
export function videoOf(info: MediaInfo, label: string): VideoStream {
  if (info.video !== undefined) return info.video;
  throw new MillraceError('INPUT_INVALID', `${label} has no pictures.`);
}

/** Throws INPUT_INVALID where there is no sound. */
export function audioOf(info: MediaInfo, label: string): AudioStream {
  if (info.audio !== undefined && info.audio.sampleRate > 0) return info.audio;
  throw new MillraceError('INPUT_INVALID', `${label} has no sound.`);
}

/** How long the pictures last. Throws INPUT_INVALID where the file does not tell. */
export function videoSeconds(info: MediaInfo, label: string): number {
  const seconds = info.video?.durationSeconds ?? info.durationSeconds;
  if (seconds !== undefined && seconds > 0) return seconds;
  throw new MillraceError('INPUT_INVALID', `${label} does not tell how long it lasts.`);
}

/**
 * How long a copy of the input must last. Where frames come at an even pace the pictures decide; where they do not (a screen
 * recording that holds its last picture), or begin later than the sound, the whole may.
 */
export function expectedDuration(info: MediaInfo): Pick<VideoExpectation, 'videoSeconds' | 'totalSeconds'> {
  const seconds = info.video?.durationSeconds ?? info.durationSeconds;
  const isPlain = info.video?.constantRate === true && !beginsLate(info);
  return { videoSeconds: seconds, totalSeconds: isPlain ? undefined : info.durationSeconds };
}

/** Encoded again, such pictures are preceded by the first of them. */
function beginsLate({ video, startSeconds = 0 }: MediaInfo): boolean {
  return (video?.coding.startSeconds ?? 0) > startSeconds;
}

/**
 * What the sound of a smaller version must be. A source's sound may rightly end before its pictures do; how long it lasts only an
 * MP4 counts, others guess.
 */
export function expectedSound(
  info: MediaInfo,
  { audio, copied }: { readonly audio: AudioStream; readonly copied: boolean },
): VideoSound {
  const counted = info.formatName.split(',').includes('mp4');
  const seconds = counted && audio.durationSeconds !== undefined ? [audio.durationSeconds, info.video?.durationSeconds] : [];
  const { channels } = audio;
  return copied
    ? { kind: 'copied', seconds, channels, packets: counted ? audio.packets : undefined }
    : { kind: 'encoded', seconds, channels };
}
