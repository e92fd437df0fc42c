/** The tasks' payloads: RunPod's `input` is `{ task, parameters }`. Names are those of the original template. */
import { z } from 'zod';
import { Chunk } from './chunks.ts';
import { MediaDuration, MediaStart, wholeNumberBetween } from './numbers.ts';
import { RunContext } from './run-context.ts';
import { TASK_NAMES } from './task-names.ts';
import { InputUri, MediaType, OutputUri, PutUrl } from './uris.ts';

const context = { millrace: RunContext.optional() };
const videoOutput = { output_video_uri: OutputUri.optional(), output_put_url: PutUrl.optional() };

interface SomeOutput {
  readonly output_video_uri?: string | undefined;
  readonly dest_uri?: string | undefined;
  readonly output_put_url?: string | undefined;
}

/** One destination is needed; where both are given the presigned URL is written to and the URI is what is reported. */
const hasDestination = (parameters: SomeOutput) =>
  (parameters.output_video_uri ?? parameters.dest_uri ?? parameters.output_put_url) !== undefined;
const NEEDS_DESTINATION = {
  path: ['output_put_url'],
  error: 'expected a presigned http(s) URL (or output_video_uri)',
};
/** The same in JSON Schema. */
const DESTINATIONS = { anyOf: [{ required: ['output_video_uri'] }, { required: ['output_put_url'] }] };

export const StageObjectParameters = z
  .object({
    source_uri: InputUri,
    dest_uri: OutputUri.optional(),
    output_put_url: PutUrl.optional(),
    content_type: MediaType.optional(),
    ...context,
  })
  .refine(hasDestination, { ...NEEDS_DESTINATION, error: 'expected a presigned http(s) URL (or dest_uri)' })
  .meta({ anyOf: [{ required: ['dest_uri'] }, { required: ['output_put_url'] }] });
export type StageObjectParameters = z.infer<typeof StageObjectParameters>;

export const AudioTrimSegment = z
  .object({
    source_uri: InputUri,
    start_sec: MediaStart.describe('Where the segment starts in its source, in seconds.'),
    duration_sec: MediaDuration.describe('How long the segment is, in seconds.'),
    target_sec: MediaDuration.optional().describe('Pad with silence to this length, in seconds.'),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .meta({ id: 'AudioTrimSegment', ...DESTINATIONS });
export type AudioTrimSegment = z.infer<typeof AudioTrimSegment>;

const MAX_SEGMENTS_PER_RUN = 1000;

/** The batch form. Each segment names its own source, destination and result. */
export const AudioTrimBatch = z.object({
  segments: z
    .array(AudioTrimSegment, { error: 'expected an array of segments' })
    .min(1, { error: 'expected at least one segment' })
    .max(MAX_SEGMENTS_PER_RUN, { error: `expected at most ${MAX_SEGMENTS_PER_RUN} segments` }),
});
export type AudioTrimBatch = z.infer<typeof AudioTrimBatch>;

export const AudioTrimParameters = z.union([AudioTrimBatch, AudioTrimSegment], {
  error: 'expected one segment (source_uri, start_sec, duration_sec and a destination), or "segments" with several',
});
export type AudioTrimParameters = z.infer<typeof AudioTrimParameters>;

const MIN_HEIGHT = 144;
const MAX_HEIGHT = 2160;
const NOT_A_HEIGHT = 'expected a height such as "360p" or 360';
const HEIGHT_OUT_OF_RANGE = `expected a height from ${MIN_HEIGHT} to ${MAX_HEIGHT}`;

/** The output's height in pixels: `"360p"`, `"360"` or `360`. */
export const Resolution = z
  .union(
    [
      z.string().regex(/^\d{3,4}p?$/, { error: NOT_A_HEIGHT }),
      z.int({ error: NOT_A_HEIGHT }).meta({ minimum: MIN_HEIGHT, maximum: MAX_HEIGHT }),
    ],
    { error: NOT_A_HEIGHT },
  )
  .meta({ description: "The output's height in pixels. Never upscales.", examples: ['360p', 360] })
  .transform((value) => (typeof value === 'number' ? value : Number.parseInt(value, 10)))
  .pipe(z.int().min(MIN_HEIGHT, { error: HEIGHT_OUT_OF_RANGE }).max(MAX_HEIGHT, { error: HEIGHT_OUT_OF_RANGE }));

export const DownsamplingParameters = z
  .object({
    original_video_uri: InputUri,
    resolution: Resolution,
    chunk: Chunk.optional().describe('Make this chunk of the video only, without sound.'),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .meta(DESTINATIONS);
export type DownsamplingParameters = z.infer<typeof DownsamplingParameters>;

const MAX_FONTS = 32;

const encodingNames = { id: z.string().min(1), language: z.string().min(1), subtitles: z.boolean().default(false) };
const encodingPictures = {
  input_video_uri: InputUri,
  subtitles_uri: InputUri.optional(),
  fonts_uris: z
    .array(InputUri, { error: 'expected an array of URIs' })
    .max(MAX_FONTS, { error: `expected at most ${MAX_FONTS} URIs` })
    .optional()
    .describe('Fonts for the subtitles (TrueType or OpenType), beside those of the worker.'),
};

const hasItsSubtitles = (parameters: { readonly subtitles: boolean; readonly subtitles_uri?: string | undefined }) =>
  !parameters.subtitles || parameters.subtitles_uri !== undefined;
const NEEDS_SUBTITLES = {
  path: ['subtitles_uri'],
  error: 'expected an s3://, gs:// or http(s):// URI, because subtitles is true',
};

export const EncodingUriParameters = z
  .object({
    ...encodingNames,
    ...encodingPictures,
    input_audio_uri: InputUri,
    // Said here so that a chunk with an audio is a chunk, and not taken for the whole.
    chunk: z.never().optional(),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .refine(hasItsSubtitles, NEEDS_SUBTITLES)
  .meta(DESTINATIONS);
export type EncodingUriParameters = z.infer<typeof EncodingUriParameters>;

/** One chunk of the final video: pictures alone, so no audio is named. */
export const EncodingChunkParameters = z
  .object({ ...encodingNames, ...encodingPictures, chunk: Chunk, ...videoOutput, ...context })
  .refine(hasDestination, NEEDS_DESTINATION)
  .refine(hasItsSubtitles, NEEDS_SUBTITLES)
  .meta(DESTINATIONS);
export type EncodingChunkParameters = z.infer<typeof EncodingChunkParameters>;

/** The original template's first form: everything lies under `<bucket_parent_folder>/<id>/`. */
export const EncodingLegacyParameters = z.object({
  ...encodingNames,
  name: z.string().min(1),
  input_video_name: z.string().min(1),
  bucket: z.string().min(1),
  bucket_parent_folder: z.string(),
  ...context,
});
export type EncodingLegacyParameters = z.infer<typeof EncodingLegacyParameters>;

export const EncodingParameters = z.union([EncodingUriParameters, EncodingLegacyParameters, EncodingChunkParameters]);
export type EncodingParameters = z.infer<typeof EncodingParameters>;

const MAX_CONCATENATED = 100_000;

export const ConcatenationParameters = z
  .object({
    segment_urls: z
      .array(InputUri, { error: 'expected an array of URIs' })
      // The original asks for two; a job with one segment joins one clip.
      .min(1, { error: 'expected at least one URI' })
      .max(MAX_CONCATENATED, { error: `expected at most ${MAX_CONCATENATED} URIs` }),
    crf: wholeNumberBetween(0, 51).optional().describe('Quality: less is better and larger.'),
    audio_kbps: wholeNumberBetween(32, 512).optional().describe('Audio bit rate, in kilobits per second.'),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .meta(DESTINATIONS);
export type ConcatenationParameters = z.infer<typeof ConcatenationParameters>;

/** The chunks of one video, in their order, and its sound: joined as they are. */
export const JoinChunksParameters = z
  .object({
    chunk_urls: z
      .array(InputUri, { error: 'expected an array of URIs' })
      .min(2, { error: 'expected at least two URIs' })
      .max(MAX_CONCATENATED, { error: `expected at most ${MAX_CONCATENATED} URIs` }),
    chunks: z.array(Chunk, { error: 'expected an array of chunks' }).describe('What each of them is.'),
    sound_url: InputUri.optional().describe('The sound of the whole; leave it out where there is none.'),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .refine(({ chunks, chunk_urls }) => chunks.length === chunk_urls.length, {
    path: ['chunks'],
    error: 'expected as many entries as chunk_urls has',
  })
  .meta(DESTINATIONS);
export type JoinChunksParameters = z.infer<typeof JoinChunksParameters>;

export const PingParameters = z.looseObject({});
export type PingParameters = z.infer<typeof PingParameters>;

/** Every task's parameters by its name. `parseValue(…, 'PARAMETERS_INVALID')` is how the worker reads them. */
export const TASK_PARAMETERS = {
  STAGE_OBJECT: StageObjectParameters,
  AUDIO_TRIM: AudioTrimParameters,
  DOWNSAMPLING: DownsamplingParameters,
  ENCODING: EncodingParameters,
  CONCATENATION: ConcatenationParameters,
  JOIN_CHUNKS: JoinChunksParameters,
  PING: PingParameters,
} as const;

export const WORKER_TASK_NAMES = [...TASK_NAMES, 'PING'] as const;
export type WorkerTaskName = (typeof WORKER_TASK_NAMES)[number];

/** RunPod's `input`. Parameters are parsed per task, once the task is known. */
export const TaskInput = z.object({
  task: z.enum(WORKER_TASK_NAMES),
  parameters: z.record(z.string(), z.unknown()).default({}),
});
export type TaskInput = z.infer<typeof TaskInput>;
