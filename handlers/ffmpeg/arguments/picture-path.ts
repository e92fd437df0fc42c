/** The way of the pictures from a decoder to an encoder, on each rung of the ladder. */
import { framesPerSecond, type VideoStream } from '../probe.ts';
import { RUNG_PARTS, type Rung } from '../rung.ts';
import { rangeOptions } from './color.ts';
import { toneMapFilters } from './tone-map.ts';
import { type FramePlace, videoEncoderArguments } from './video-encoder.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** The smallest picture that 4:2:0 H.264 can hold is 2 x 2. */
export function floorToEven(value: number): number {
  return Math.max(2, Math.floor(value / 2) * 2);
}

export function nearestEven(value: number): number {
  return Math.max(2, Math.round(value / 2) * 2);
}

/** Decoding on the GPU; `frames` says where the pictures are wanted. For the CPU ffmpeg downloads them by itself. */
export function gpuDecoding(frames: FramePlace): string[] {
  return ['-hwaccel', 'cuda', ...(frames === 'gpu' ? ['-hwaccel_output_format', 'cuda'] : [])];
}

/** Without a format of its own: 8-bit pictures stay NV12, which is what NVDEC makes and NVENC takes. */
export function gpuScale({ width, height }: PictureSize): string {
  return `scale_cuda=${width}:${height}:interp_algo=lanczos`;
}

export function gpuDownload(): string {
  return 'hwdownload,format=nv12';
}

/** What stands in front of an input whose pictures are decoded. */
export function decodingArguments(rung: Rung): string[] {
  const { decoder, filters } = RUNG_PARTS[rung];
  return decoder === 'nvdec' ? gpuDecoding(filters) : [];
}

export interface PicturePath {
  readonly rung: Rung;
  readonly video: VideoStream;
  readonly size: PictureSize;
  /** HDR pictures become SDR ones. */
  readonly toneMaps: boolean;
  /** A filter that draws on the pictures, on the CPU. */
  readonly drawing?: string;
  /** Filters that say which pictures there are, and when: in the place of the steady pace. They touch none of them. */
  readonly timing?: readonly string[];
}

/** The value of `-vf`. On the CPU ffmpeg turns rotated pictures upright before the first filter, so sizes are upright ones. */
export function pictureFilters({ rung, video, size, toneMaps, drawing, timing }: PicturePath): string {
  const drawn = drawing === undefined ? [] : [drawing];
  if (RUNG_PARTS[rung].filters === 'gpu') {
    const there = drawn.length === 0 ? [] : [gpuDownload(), ...drawn, 'hwupload_cuda'];
    return [...(timing ?? []), ...(isSize(video, size) ? [] : [gpuScale(size)]), 'setsar=1', ...there].join(',');
  }
  const pace = steadyRate(video);
  return [
    ...deinterlacing(video),
    ...(timing ?? (pace === undefined ? [] : [`fps=${pace}`])),
    `scale=${size.width}:${size.height}:flags=lanczos${rangeOptions(video)}`,
    // Behind the scaler, where there are fewer pixels: it counts in floating point.
    ...(toneMaps ? toneMapFilters(video) : []),
    'setsar=1',
    ...drawn,
    'format=yuv420p',
  ].join(',');
}

/** One picture for each that came in; those that are whole stay as they are. Scaled with its two halves in it, a picture is torn for good. */
export function deinterlacing({ coding }: Pick<VideoStream, 'coding'>): string[] {
  return coding.progressive ? [] : ['bwdif=mode=send_frame:deint=interlaced'];
}

export function encodingArguments(rung: Rung, crf?: number): string[] {
  const { encoder, filters } = RUNG_PARTS[rung];
  return videoEncoderArguments(encoder, crf, filters);
}

/** The stored pictures are of that size. */
export function isSize(video: Pick<VideoStream, 'width' | 'height'>, { width, height }: PictureSize): boolean {
  return video.width === width && video.height === height;
}

const MAX_FRAMES_PER_SECOND = 60;
/** A screen recording that mostly stands still has a low average, and is smooth only at this. */
const SLOWEST_STEADY_RATE = 24;
const STANDARD_RATES = ['24000/1001', '24', '25', '30000/1001', '30', '48', '50', '60000/1001', '60'] as const;
const DEFAULT_RATE = '30';

/**
 * The constant rate that pictures of uneven pace are brought to, and those of more than 60 a second: players, editors and later
 * stages count frames. `undefined` where the pace is good as it is.
 */
export function steadyRate({ constantRate, frameRate }: Pick<VideoStream, 'constantRate' | 'frameRate'>): string | undefined {
  const average = frameRate === undefined ? undefined : framesPerSecond(frameRate);
  if (constantRate && average !== undefined && average <= MAX_FRAMES_PER_SECOND) return undefined;
  if (average === undefined || average < SLOWEST_STEADY_RATE * 0.98) return DEFAULT_RATE;
  return STANDARD_RATES.reduce((best, rate) => (distance(rate, average) < distance(best, average) ? rate : best));
}

function distance(rate: string, average: number): number {
  const [numerator = 1, denominator = 1] = rate.split('/').map(Number);
  return Math.abs(numerator / denominator - average);
}
