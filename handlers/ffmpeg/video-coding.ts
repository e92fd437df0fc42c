/** How a video stream is coded: what decides whether it can be copied, and which path its pictures take. */
import { z } from 'zod';

const NumberText = z
  .union([z.number(), z.string()])
  .transform((value) => Number(value))
  .transform((value) => (Number.isFinite(value) ? value : undefined));

/** The fields of ffprobe's stream that are read here. */
export const PROBED_CODING = {
  profile: z.string().optional(),
  level: z.int().optional(),
  pix_fmt: z.string().optional(),
  field_order: z.string().optional(),
  sample_aspect_ratio: z.string().optional(),
  color_range: z.string().optional(),
  color_space: z.string().optional(),
  color_primaries: z.string().optional(),
  color_transfer: z.string().optional(),
  bit_rate: NumberText.optional(),
  extradata_hash: z.string().optional(),
  start_time: NumberText.optional(),
  tags: z.looseObject({ rotate: NumberText.optional() }).optional(),
  side_data_list: z.array(z.object({ side_data_type: z.string().optional(), rotation: NumberText.optional() })).optional(),
};
const ProbedCoding = z.object(PROBED_CODING);
type ProbedCoding = z.infer<typeof ProbedCoding>;

export interface VideoCoding {
  readonly profile: string | undefined;
  /** H.264's: 41 is level 4.1. */
  readonly level: number | undefined;
  readonly progressive: boolean;
  /** Metadata turns or mirrors the pictures. */
  readonly turned: boolean;
  readonly squarePixels: boolean;
  /** 0 to 255 instead of 16 to 235. */
  readonly fullRange: boolean;
  /** ffmpeg's names; `undefined` where the file does not tell. */
  readonly matrix: string | undefined;
  readonly primaries: string | undefined;
  readonly transfer: string | undefined;
  readonly bitsPerSecond: number | undefined;
  readonly startSeconds: number | undefined;
  /** Of the decoder's configuration (H.264's parameter sets): streams with different ones cannot be joined without encoding. */
  readonly configurationHash: string | undefined;
}

export function videoCoding(stream: ProbedCoding): VideoCoding {
  const pixels = stream.pix_fmt ?? '';
  return {
    profile: stream.profile,
    level: stream.level,
    progressive: [undefined, 'unknown', 'progressive'].includes(stream.field_order),
    turned: rotationOf(stream) !== 0 || hasDisplayMatrix(stream),
    squarePixels: pixelAspect(stream.sample_aspect_ratio) === 1,
    fullRange: stream.color_range === 'pc' || pixels.startsWith('yuvj'),
    matrix: known(stream.color_space),
    primaries: known(stream.color_primaries),
    transfer: known(stream.color_transfer),
    bitsPerSecond: stream.bit_rate,
    startSeconds: stream.start_time,
    configurationHash: stream.extradata_hash,
  };
}

/** Degrees. */
export function rotationOf(stream: Pick<ProbedCoding, 'side_data_list' | 'tags'>): number {
  return stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? stream.tags?.rotate ?? 0;
}

/** ffprobe lists a matrix only where it does something: one without a rotation mirrors. */
function hasDisplayMatrix({ side_data_list: sideData = [] }: ProbedCoding): boolean {
  return sideData.some((data) => data.side_data_type === 'Display Matrix');
}

/** The width of a pixel in heights of it. */
export function pixelAspect(text: string | undefined): number {
  const [, width = '1', height = '1'] = /^(\d+):(\d+)$/.exec(text ?? '') ?? [];
  return Number(width) > 0 && Number(height) > 0 ? Number(width) / Number(height) : 1;
}

function known(name: string | undefined): string | undefined {
  return name === 'unknown' || name === 'reserved' ? undefined : name;
}
