/**
 * One chunk of a video: exactly the pictures of its span, encoded as they would be in the whole, each where the whole has it. And the
 * joining of chunks, which copies.
 */
import type { Chunk } from '../../../manifests/chunks.ts';
import { type FrameRate, frameRate, framesPerSecond, type VideoStream } from '../probe.ts';
import type { Rung } from '../rung.ts';
import { colorArguments } from './color.ts';
import { trackTimescale } from './concatenate.ts';
import { MP4_ARGUMENTS, NOTHING_ELSE } from './downsample.ts';
import { GLOBAL_ARGUMENTS, inputArguments, type MediaLocation, PROGRESS_ARGUMENTS, seconds } from './input.ts';
import { decodingArguments, encodingArguments, type PictureSize, pictureFilters } from './picture-path.ts';

export interface ChunkEncode {
  readonly location: MediaLocation;
  readonly video: VideoStream;
  /** Where the file begins: see `MediaInfo`. */
  readonly startSeconds: number;
  readonly chunk: Chunk;
  readonly size: PictureSize;
  readonly rung: Rung;
  /** HDR pictures become SDR ones. */
  readonly toneMaps: boolean;
  /** The encoder's own where it is not given. */
  readonly crf?: number;
  readonly drawing?: string;
  /** Reads from where the file begins, however far away the chunk is. */
  readonly unsought?: boolean;
  readonly outputFile: string;
}

/**
 * How long before its first picture the reading of a chunk starts. Files are sought by when pictures are decoded, which is some
 * pictures before they are shown; and those just behind a key frame may need what was before it (an open group of pictures).
 */
const LEAD_SECONDS = 2;

export function chunkArguments(encode: ChunkEncode): string[] {
  const { chunk, video, rung, crf } = encode;
  const rate = rateOf(chunk);
  const seekSeconds = encode.unsought === true ? 0 : chunk.start_frame / framesPerSecond(rate) - LEAD_SECONDS;
  const timing = chunkTiming(encode, rate, seekSeconds > 0);
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    ...decodingArguments(rung),
    // The file's own times, to the unit: after a seek ffmpeg would count from where it landed, rounded. And every picture from there
    // on, because the one that is still shown when the chunk begins may lie long before.
    ...['-copyts', ...(seekSeconds > 0 ? ['-noaccurate_seek'] : [])],
    ...(encode.startSeconds === 0 ? [] : ['-itsoffset', seconds(-encode.startSeconds)]),
    ...inputArguments(encode.location, seekSeconds > 0 ? { seekSeconds } : {}),
    ...['-map', `0:${video.index}`, '-an', ...NOTHING_ELSE, '-map_metadata', '-1'],
    ...['-vf', `${pictureFilters({ ...encode, timing })},setpts=PTS-${chunk.start_frame}`],
    ...encodingArguments(rung, crf),
    // Closed groups of pictures: nothing in a chunk needs what lies in another.
    ...['-flags', '+cgop'],
    ...colorArguments(video, encode.toneMaps),
    ...['-video_track_timescale', String(trackTimescale(rate)), ...MP4_ARGUMENTS],
    encode.outputFile,
  ];
}

/**
 * Nothing before `fps`: it learns only from what reads the file how long the last picture is shown. Up to the drawing and behind it
 * pictures are counted from where the file begins: what is drawn on them comes at its right time.
 */
function chunkTiming({ chunk }: ChunkEncode, rate: FrameRate, isSought: boolean): string[] {
  // As in the whole, where pictures that begin later than the file are preceded by the first of them.
  const start = isSought ? '' : ':start_time=0';
  const end = chunk.to_end === true ? '' : `:end_pts=${chunk.start_frame + chunk.frames}`;
  return [`fps=${rate.numerator}/${rate.denominator}${start}`, `trim=start_pts=${chunk.start_frame}${end}`];
}

export function rateOf({ rate }: Pick<Chunk, 'rate'>): FrameRate {
  const parsed = frameRate(rate);
  if (parsed === undefined) throw new RangeError(`${rate} is no rate`);
  return parsed;
}

/** How the pictures of the chunks are joined: as they are, or encoded once more where they were coded differently. */
export type JoinedPictures = 'copied' | { readonly rung: Rung };

export interface ChunkJoin {
  readonly listFile: string;
  readonly chunks: readonly Chunk[];
  readonly pictures: JoinedPictures;
  readonly soundFile: string | undefined;
  readonly outputFile: string;
}

export function joinChunksArguments({ listFile, chunks, pictures, soundFile, outputFile }: ChunkJoin): string[] {
  const [first] = chunks;
  if (first === undefined) throw new RangeError('no chunks are to be joined');
  const rate = rateOf(first);
  return [
    ...GLOBAL_ARGUMENTS,
    ...PROGRESS_ARGUMENTS,
    // Each track keeps its times: sound may rightly begin later than the pictures.
    '-copyts',
    ...(pictures === 'copied' ? [] : decodingArguments(pictures.rung)),
    // The list is our own, and so are the files that it names.
    ...inputArguments({ file: listFile }, { formats: 'concat,mov,mp4,m4a,3gp,3g2,mj2', format: 'concat' }),
    ...(soundFile === undefined ? [] : inputArguments({ file: soundFile })),
    ...['-map', '0:v:0', ...(pictures === 'copied' ? ['-c:v', 'copy'] : [...encodingArguments(pictures.rung)])],
    ...(soundFile === undefined ? [] : ['-map', '1:a:0', '-c:a', 'copy', '-map_metadata', '1']),
    ...['-video_track_timescale', String(trackTimescale(rate)), ...NOTHING_ELSE, ...MP4_ARGUMENTS],
    outputFile,
  ];
}
