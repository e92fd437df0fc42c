/** What a media file is, as ffprobe tells it. */
import { z } from 'zod';
import { MillraceError } from '../../errors.ts';
import { guardArguments, type MediaLocation } from './arguments/input.ts';
import { ffmpegFailure } from './failure.ts';
import { runTool } from './run.ts';
import { PROBED_CODING, pixelAspect, rotationOf, type VideoCoding, videoCoding } from './video-coding.ts';

const NumberText = z
  .union([z.number(), z.string()])
  .transform((value) => Number(value))
  .transform((value) => (Number.isFinite(value) ? value : undefined));

const ProbedStream = z.object({
  ...PROBED_CODING,
  index: z.int(),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.int().optional(),
  height: z.int().optional(),
  avg_frame_rate: z.string().optional(),
  r_frame_rate: z.string().optional(),
  time_base: z.string().optional(),
  start_pts: NumberText.optional(),
  duration: NumberText.optional(),
  duration_ts: NumberText.optional(),
  nb_frames: NumberText.optional(),
  sample_rate: NumberText.optional(),
  channels: z.int().optional(),
  disposition: z.object({ attached_pic: z.int().optional(), timed_thumbnails: z.int().optional() }).optional(),
});
type ProbedStream = z.infer<typeof ProbedStream>;

const Probed = z.object({
  streams: z.array(ProbedStream).default([]),
  format: z
    .object({ format_name: z.string().optional(), start_time: NumberText.optional(), duration: NumberText.optional() })
    .default({}),
});

type ProbedFormat = z.infer<typeof Probed>['format'];

/** A fraction: 30000/1001. */
export interface FrameRate {
  readonly numerator: number;
  readonly denominator: number;
}

/** When pictures are shown, in the container's own units. */
export interface PictureTiming {
  /** The rate that their times are multiples of; the average may be lower where some are missing. */
  readonly baseRate: FrameRate | undefined;
  /** How many seconds one unit is, as a fraction. */
  readonly unit: FrameRate;
  /** When the first one is shown, in units. */
  readonly startUnits: number;
}

export interface VideoStream {
  readonly index: number;
  readonly codec: string;
  /** As it is shown: upright, with square pixels. */
  readonly displayWidth: number;
  readonly displayHeight: number;
  /** As it is stored. */
  readonly width: number;
  readonly height: number;
  readonly pixelFormat: string | undefined;
  /** The average rate; `undefined` where the file does not tell. */
  readonly frameRate: FrameRate | undefined;
  /** The average and the base rate agree, so that every frame lasts as long as the next. */
  readonly constantRate: boolean;
  readonly durationSeconds: number | undefined;
  readonly frames: number | undefined;
  readonly coding: VideoCoding;
  readonly timing?: PictureTiming | undefined;
}

export interface AudioStream {
  readonly index: number;
  readonly codec: string;
  readonly profile?: string | undefined;
  readonly sampleRate: number;
  readonly channels: number;
  readonly durationSeconds: number | undefined;
  /** How much later than the file it begins, where there are pictures that begin before it. */
  readonly delaySeconds?: number | undefined;
  /** Exact for PCM in WAV. */
  readonly samples: number | undefined;
  /** Where the container counts them. */
  readonly packets?: number | undefined;
}

export interface MediaInfo {
  /** ffmpeg's names of the container: `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly formatName: string;
  readonly durationSeconds: number | undefined;
  /** When the earliest of its streams begins; what ffmpeg counts time from. */
  readonly startSeconds?: number | undefined;
  /** The first that is not a cover picture. */
  readonly video: VideoStream | undefined;
  readonly audio: AudioStream | undefined;
}

export interface ProbeOptions {
  readonly ffprobe: string;
  readonly signal: AbortSignal;
  readonly formats?: string;
  /** Settles once the location can answer, where that is later than now; the time limit counts from then. */
  readonly ready?: Promise<unknown> | undefined;
  readonly timeLimitMs?: number;
}

/** A day of sound is the longest that anybody cuts; beyond it a header lies, or a task would never end. */
const MAX_MEDIA_SECONDS = 24 * 3600;
const PROBE_TIME_LIMIT_MS = 120_000;
const MAX_PROBE_CHARACTERS = 4 * 1024 * 1024;

/** Throws INPUT_INVALID, CODEC_UNSUPPORTED, TIME_LIMIT, or what the signal says. */
export async function probe(location: MediaLocation, options: ProbeOptions): Promise<MediaInfo> {
  let text = '';
  const limit = startLimit(options);
  const end = await runTool({
    file: options.ffprobe,
    args: probeArguments(location, options.formats),
    signal: AbortSignal.any([options.signal, limit.signal]),
    onStdout: (chunk) => {
      text += chunk.toString('utf8');
      if (text.length > MAX_PROBE_CHARACTERS)
        throw new MillraceError('INPUT_INVALID', 'The input has too many streams to describe.');
    },
  }).finally(limit.end);
  if (end.exitCode !== 0) {
    const failure = ffmpegFailure(end);
    // ffprobe does nothing but read the input: what no other code describes is the input's fault.
    throw failure.code === 'FFMPEG_FAILED' && end.signal === undefined
      ? new MillraceError('INPUT_INVALID', failure.message)
      : failure;
  }
  const info = mediaInfo(text);
  if ((info.video ?? info.audio) !== undefined && (info.durationSeconds ?? 0) > MAX_MEDIA_SECONDS) {
    throw new MillraceError('INPUT_INVALID', `The input lasts longer than ${MAX_MEDIA_SECONDS / 3600} hours, or says so.`);
  }
  return info;
}

function startLimit({ ready, timeLimitMs = PROBE_TIME_LIMIT_MS }: ProbeOptions) {
  const late = new AbortController();
  const expire = () => late.abort(new MillraceError('TIME_LIMIT', 'ffprobe took longer than its time limit.'));
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const begin = () => {
    if (!ended) timer = setTimeout(expire, timeLimitMs);
  };
  if (ready === undefined) begin();
  else ready.then(begin, begin);
  const end = () => {
    ended = true;
    clearTimeout(timer);
  };
  return { signal: late.signal, end };
}

export function probeArguments(location: MediaLocation, formats?: string): string[] {
  const input = 'url' in location ? location.url : location.file;
  return [
    ...['-hide_banner', '-loglevel', 'warning', '-print_format', 'json', '-show_format', '-show_streams'],
    ...['-show_data_hash', 'md5'],
    ...guardArguments(location, formats),
    ...['-i', input],
  ];
}

/** ffprobe's JSON as a MediaInfo. Throws INPUT_INVALID where it is none. */
export function mediaInfo(json: string): MediaInfo {
  const parsed = Probed.safeParse(parseJson(json));
  if (!parsed.success) throw new MillraceError('INPUT_INVALID', 'ffprobe could not describe the input.');
  const isMatroska = parsed.data.format.format_name?.startsWith('matroska') === true;
  const { streams, format } = isMatroska ? withMatroskaLengths(parsed.data) : parsed.data;
  const video = streams.find((stream) => stream.codec_type === 'video' && !isStill(stream));
  const audio = streams.find((stream) => stream.codec_type === 'audio');
  return {
    formatName: format.format_name ?? 'unknown',
    durationSeconds: format.duration,
    startSeconds: format.start_time,
    video: video === undefined ? undefined : videoStream(video),
    audio: audio === undefined ? undefined : audioStream(audio, video === undefined ? undefined : format),
  };
}

/**
 * Matroska counts its length from zero, wherever its first picture is, and says how long each stream lasts in a tag at most. Without
 * that, pictures would be held to the length of a longer sound.
 */
function withMatroskaLengths({ streams, format }: z.infer<typeof Probed>): z.infer<typeof Probed> {
  const lengthOf = (stream: ProbedStream) => stream.duration ?? taggedSeconds(stream, format.duration);
  return {
    streams: streams.map((stream) => ({ ...stream, duration: lengthOf(stream) })),
    format: { ...format, duration: secondsAfter(format.start_time, format.duration) },
  };
}

/** `undefined` where there is no such tag, or one that was left over from a longer file. */
function taggedSeconds({ tags = {}, start_time }: ProbedStream, fileEnd: number | undefined): number | undefined {
  const find = (name: RegExp) => Object.entries(tags).find(([key]) => name.test(key))?.[1];
  const [, hours, minutes, seconds] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(String(find(/^DURATION(-|$)/i) ?? '')) ?? [];
  if (hours === undefined) return undefined;
  const tagged = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  if (tagged <= 0 || tagged > (fileEnd ?? tagged) + LEFTOVER_SECONDS) return undefined;
  // mkvmerge, which marks its tags, writes the length there; others the end.
  return find(/^_STATISTICS_/i) === undefined ? secondsAfter(start_time, tagged) : tagged;
}

const LEFTOVER_SECONDS = 0.1;

function secondsAfter(start: number | undefined, end: number | undefined): number | undefined {
  return end === undefined || start === undefined || start <= 0 || start >= end ? end : end - start;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function videoStream(stream: ProbedStream): VideoStream {
  const { width = 0, height = 0 } = stream;
  const codec = codecOf(stream);
  if (width <= 0 || height <= 0) throw new MillraceError('INPUT_INVALID', 'The video has no picture size.');
  const shown = Math.max(1, Math.round(width * pixelAspect(stream.sample_aspect_ratio)));
  const sideways = Math.abs(Math.round(rotationOf(stream))) % 180 === 90;
  const rate = frameRate(stream.avg_frame_rate) ?? frameRate(stream.r_frame_rate);
  return {
    index: stream.index,
    codec,
    width,
    height,
    displayWidth: sideways ? height : shown,
    displayHeight: sideways ? shown : height,
    pixelFormat: stream.pix_fmt,
    frameRate: rate,
    constantRate: isConstantRate(stream),
    durationSeconds: stream.duration,
    frames: stream.nb_frames,
    coding: videoCoding(stream),
    timing: pictureTiming(stream),
  };
}

function pictureTiming({ r_frame_rate, time_base, start_pts: startUnits }: ProbedStream): PictureTiming | undefined {
  const unit = fraction(time_base);
  return unit === undefined || startUnits === undefined ? undefined : { baseRate: frameRate(r_frame_rate), unit, startUnits };
}

/** `beside`: the container, where there are pictures that the sound belongs to. */
function audioStream(stream: ProbedStream, beside: ProbedFormat | undefined): AudioStream {
  return {
    index: stream.index,
    codec: codecOf(stream),
    profile: stream.profile,
    sampleRate: stream.sample_rate ?? 0,
    channels: stream.channels ?? 0,
    durationSeconds: stream.duration,
    delaySeconds: beside === undefined ? undefined : delayIn(beside, stream),
    samples: stream.codec_name?.startsWith('pcm_') === true ? stream.duration_ts : undefined,
    packets: stream.nb_frames,
  };
}

/** Containers count time in milliseconds at the coarsest. */
const SHORTEST_DELAY_SECONDS = 0.0015;

/** Not of MPEG-TS: where ffmpeg decodes its sound alone, it moves it to the beginning. */
function delayIn({ format_name, start_time: fileStart }: ProbedFormat, { start_time: start }: ProbedStream): number | undefined {
  if (format_name === 'mpegts' || start === undefined || fileStart === undefined) return undefined;
  return start - fileStart > SHORTEST_DELAY_SECONDS ? start - fileStart : undefined;
}

function codecOf(stream: ProbedStream): string {
  const codec = stream.codec_name;
  if (codec !== undefined && codec !== 'unknown' && codec !== 'none') return codec;
  throw new MillraceError('CODEC_UNSUPPORTED', `The ${stream.codec_type} stream uses a codec that this ffprobe does not know.`);
}

/** Covers and thumbnails are streams of pictures too. */
function isStill({ disposition }: ProbedStream): boolean {
  return disposition?.attached_pic === 1 || disposition?.timed_thumbnails === 1;
}

/** Above this a "rate" is a container's time base (90000/1 in MPEG-TS), not a count of pictures. */
const MAX_FRAMES_PER_SECOND = 1000;

export function frameRate(text: string | undefined): FrameRate | undefined {
  const rate = fraction(text);
  return rate === undefined || framesPerSecond(rate) > MAX_FRAMES_PER_SECOND ? undefined : rate;
}

function fraction(text: string | undefined): FrameRate | undefined {
  const [, numerator = '0', denominator = '0'] = /^(\d+)\/(\d+)$/.exec(text ?? '') ?? [];
  const value = Number(numerator) / Number(denominator);
  if (!Number.isFinite(value) || value <= 0) return undefined;
  return { numerator: Number(numerator), denominator: Number(denominator) };
}

export function framesPerSecond(rate: FrameRate): number {
  return rate.numerator / rate.denominator;
}

function isConstantRate(stream: ProbedStream): boolean {
  const average = frameRate(stream.avg_frame_rate);
  const base = frameRate(stream.r_frame_rate);
  if (average === undefined || base === undefined) return false;
  return Math.abs(framesPerSecond(average) / framesPerSecond(base) - 1) < 0.001;
}
