/** The tasks' payloads: RunPod's `input` is `{ task, parameters }`. Names are those of the original template. */
import { z } from 'zod';
import { RunContext } from './run-context.ts';
import { TASK_NAMES } from './task-names.ts';

const InputUri = z
  .string({ error: 'expected an s3://, gs:// or http(s):// URI' })
  .regex(/^(s3|gs|https?):\/\/[^\s]+$/, { error: 'expected an s3://, gs:// or http(s):// URI' });

const OutputUri = z
  .string({ error: 'expected an s3:// or gs:// URI' })
  .regex(/^(s3|gs):\/\/[^\s]+$/, { error: 'expected an s3:// or gs:// URI' });

const PutUrl = z
  .string({ error: 'expected a presigned http(s) URL' })
  .regex(/^https?:\/\/[^\s]+$/, { error: 'expected a presigned http(s) URL' });

const seconds = (error: string) => z.number({ error });
const Start = seconds('expected a finite number of at least 0').min(0, { error: 'expected a number of at least 0' });
const Duration = seconds('expected a finite number above 0').positive({ error: 'expected a number above 0' });

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
const NEEDS_DESTINATION = { path: ['output_put_url'], error: 'expected output_put_url, or a destination URI' };

export const StageObjectParameters = z
  .object({
    source_uri: InputUri,
    dest_uri: OutputUri.optional(),
    output_put_url: PutUrl.optional(),
    content_type: z.string().optional(),
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION);
export type StageObjectParameters = z.infer<typeof StageObjectParameters>;

export const AudioTrimSegment = z
  .object({
    source_uri: InputUri,
    start_sec: Start,
    duration_sec: Duration,
    target_sec: Duration.optional(),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION);
export type AudioTrimSegment = z.infer<typeof AudioTrimSegment>;

const MAX_SEGMENTS_PER_RUN = 1000;

/** The batch form. Each segment names its own source, destination and result. */
export const AudioTrimBatch = z.object({ segments: z.array(AudioTrimSegment).min(1).max(MAX_SEGMENTS_PER_RUN) });
export type AudioTrimBatch = z.infer<typeof AudioTrimBatch>;

export const AudioTrimParameters = z.union([AudioTrimBatch, AudioTrimSegment]);
export type AudioTrimParameters = z.infer<typeof AudioTrimParameters>;

const MIN_HEIGHT = 144;
const MAX_HEIGHT = 2160;

/** The output's height in pixels: `"360p"`, `"360"` or `360`. */
export const Resolution = z
  .union([z.string().regex(/^\d{3,4}p?$/), z.int()], { error: 'expected a height such as "360p" or 360' })
  .transform((value) => (typeof value === 'number' ? value : Number.parseInt(value, 10)))
  .pipe(
    z
      .int()
      .min(MIN_HEIGHT, { error: `expected a height of at least ${MIN_HEIGHT}` })
      .max(MAX_HEIGHT, { error: `expected a height of at most ${MAX_HEIGHT}` }),
  );

export const DownsamplingParameters = z
  .object({ original_video_uri: InputUri, resolution: Resolution, ...videoOutput, ...context })
  .refine(hasDestination, NEEDS_DESTINATION);
export type DownsamplingParameters = z.infer<typeof DownsamplingParameters>;

const encodingNames = { id: z.string().min(1), language: z.string().min(1), subtitles: z.boolean().default(false) };

export const EncodingUriParameters = z
  .object({
    ...encodingNames,
    input_video_uri: InputUri,
    input_audio_uri: InputUri,
    subtitles_uri: InputUri.optional(),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION)
  .refine((parameters) => !parameters.subtitles || parameters.subtitles_uri !== undefined, {
    path: ['subtitles_uri'],
    error: 'expected a URI, because subtitles is true',
  });
export type EncodingUriParameters = z.infer<typeof EncodingUriParameters>;

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

export const EncodingParameters = z.union([EncodingUriParameters, EncodingLegacyParameters]);
export type EncodingParameters = z.infer<typeof EncodingParameters>;

export const ConcatenationParameters = z
  .object({
    segment_urls: z
      .array(InputUri, { error: 'expected an array of URIs' })
      .min(2, { error: 'expected at least two URIs' })
      .max(100_000),
    crf: z.int().min(0).max(51).optional(),
    audio_kbps: z.int().min(32).max(512).optional(),
    ...videoOutput,
    ...context,
  })
  .refine(hasDestination, NEEDS_DESTINATION);
export type ConcatenationParameters = z.infer<typeof ConcatenationParameters>;

export const PingParameters = z.looseObject({});
export type PingParameters = z.infer<typeof PingParameters>;

/** Every task's parameters by its name. */
export const TASK_PARAMETERS = {
  STAGE_OBJECT: StageObjectParameters,
  AUDIO_TRIM: AudioTrimParameters,
  DOWNSAMPLING: DownsamplingParameters,
  ENCODING: EncodingParameters,
  CONCATENATION: ConcatenationParameters,
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
