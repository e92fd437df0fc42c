/** One right document of every schema that crosses a boundary, for tests to break. */
import type { z } from 'zod';
import { Cancel } from '../../../manifests/cancel.ts';
import { Encoding } from '../../../manifests/encoding.ts';
import { Pipeline } from '../../../manifests/pipeline.ts';
import { Problem } from '../../../manifests/problem.ts';
import { Result } from '../../../manifests/result.ts';
import { Segments } from '../../../manifests/segments.ts';
import { Sources } from '../../../manifests/sources.ts';
import {
  AudioTrimParameters,
  ConcatenationParameters,
  DownsamplingParameters,
  EncodingParameters,
  JoinChunksParameters,
  StageObjectParameters,
  TaskInput,
} from '../../../manifests/tasks.ts';
import { Webhooks } from '../../../manifests/webhooks.ts';

export interface ValidDocument {
  readonly schema: z.ZodType;
  readonly document: unknown;
}

const PUT = 'https://bucket.example.com/key?X-Amz-Signature=abc';

const context = {
  job: 'demo',
  stage: 'segmentation',
  item: '7',
  fingerprint: 'f00d',
  attempt: 1,
  output_put_headers: { 'x-amz-meta-fingerprint': 'f00d' },
  output_uri: 's3://videos/pipelines/demo/out.wav',
  succeeded_put_url: PUT,
  failed_put_url: PUT,
  input_etags: { source_uri: 'abc', segment_urls: ['abc', null], subtitles_uri: null },
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

const segment = {
  source_uri: 's3://videos/master.wav',
  start_sec: 1,
  duration_sec: 2,
  target_sec: 3,
  output_video_uri: 's3://videos/segment.wav',
  output_put_url: PUT,
  millrace: context,
};

export const VALID_DOCUMENTS = {
  segments: {
    schema: Segments,
    document: {
      segments: [
        { start_sec: 0, duration_sec: 2, target_sec: 3 },
        { start_sec: 2, duration_sec: 2 },
      ],
    },
  },
  sources: {
    schema: Sources,
    document: {
      $schema: 'sources.schema.json',
      sources: [{ source_uri: 'https://example.com/a.m4a', dest_key: 'inputs/audio/master.m4a', content_type: 'audio/mp4' }],
    },
  },
  encoding: { schema: Encoding, document: { $schema: 'encoding.schema.json', language: 'en', subtitles: true } },
  cancel: { schema: Cancel, document: { $schema: 'cancel.schema.json', reason: 'Wrong take.' } },
  webhooks: {
    schema: Webhooks,
    document: { $schema: 'webhooks.schema.json', version: 1, url: 'https://hooks.example.com/a?b=c', events: ['job.ended'] },
  },
  pipeline: {
    schema: Pipeline,
    document: {
      $schema: 'pipeline.schema.json',
      version: 1,
      name: 'demo',
      stages: {
        cut: {
          description: 'Cuts.',
          manifest: { keys: ['segments.json'], type: 'segments' },
          inputs: {
            audio: { key: 'inputs/audio/master.*', optional: true, when: '${manifest.subtitles}' },
            clips: { stage: 'clips', optional: false },
          },
          for_each: '${manifest.segments}',
          task: 'AUDIO_TRIM',
          parameters: { source_uri: '${inputs.audio}' },
          output: 'stage/cut/${index}.wav',
          items_per_run: 8,
          max_attempts: 3,
          execution_timeout_sec: 600,
          ttl_sec: 3600,
          patience_sec: 900,
        },
        clips: { external: true, output: 'stage/clips/${index}.mp4' },
        model: { endpoint: 'talking-head', payload: { deep: [{ url: '${output}' }] }, output: 'stage/model/out.mp4' },
      },
    },
  },
  'task input': { schema: TaskInput, document: { task: 'PING', parameters: {} } },
  STAGE_OBJECT: {
    schema: StageObjectParameters,
    document: {
      source_uri: 'https://example.com/a.m4a',
      dest_uri: 's3://videos/a.m4a',
      output_put_url: PUT,
      content_type: 'audio/mp4',
      millrace: context,
    },
  },
  'AUDIO_TRIM, one': { schema: AudioTrimParameters, document: segment },
  'AUDIO_TRIM, batch': { schema: AudioTrimParameters, document: { segments: [segment, segment] } },
  DOWNSAMPLING: {
    schema: DownsamplingParameters,
    document: {
      original_video_uri: 'gs://videos/a.mp4',
      resolution: '360p',
      output_video_uri: 's3://videos/b.mp4',
      output_put_url: PUT,
      millrace: context,
    },
  },
  ENCODING: {
    schema: EncodingParameters,
    document: {
      id: 'demo',
      language: 'en',
      subtitles: true,
      input_video_uri: 's3://videos/a.mp4',
      input_audio_uri: 's3://videos/a.wav',
      subtitles_uri: 's3://videos/en.ass',
      output_video_uri: 's3://videos/out.mp4',
      output_put_url: PUT,
      millrace: context,
    },
  },
  'ENCODING, legacy': {
    schema: EncodingParameters,
    document: {
      id: 'demo',
      language: 'en',
      subtitles: false,
      name: 'exported_video.mp4',
      input_video_name: 'in.mp4',
      bucket: 'videos',
      bucket_parent_folder: 'projects',
      millrace: context,
    },
  },
  'ENCODING, chunk': {
    schema: EncodingParameters,
    document: {
      id: 'demo',
      language: 'en',
      subtitles: true,
      input_video_uri: 's3://videos/a.mp4',
      subtitles_uri: 's3://videos/en.ass',
      chunk: { rate: '30000/1001', start_frame: 3600, frames: 3600 },
      output_put_url: PUT,
      millrace: context,
    },
  },
  JOIN_CHUNKS: {
    schema: JoinChunksParameters,
    document: {
      chunk_urls: ['s3://videos/0.mp4', 's3://videos/1.mp4'],
      chunks: [
        { rate: '25/1', start_frame: 0, frames: 500 },
        { rate: '25/1', start_frame: 500, frames: 320, to_end: true },
      ],
      sound_url: 's3://videos/sound.m4a',
      output_put_url: PUT,
      millrace: context,
    },
  },
  CONCATENATION: {
    schema: ConcatenationParameters,
    document: {
      segment_urls: ['s3://videos/1.mp4', 'https://example.com/2.mp4'],
      crf: 23,
      audio_kbps: 192,
      output_video_uri: 's3://videos/out.mp4',
      output_put_url: PUT,
      millrace: context,
    },
  },
  result: {
    schema: Result,
    document: {
      version: 1,
      status: 'failed',
      job: 'demo',
      stage: 'cut',
      item: '0',
      fingerprint: 'f00d',
      attempt: 1,
      task: 'AUDIO_TRIM',
      written_by: 'worker',
      worker_id: 'w1',
      run_id: 'r1',
      finished_at: '2026-11-05T10:00:00.000Z',
      worker_sec: 1.5,
      output: { output_uri: 's3://videos/out.wav' },
      error: { code: 'INPUT_TOO_SHORT', message: 'Too short.', retryable: false, fix: 'Shorten it.' },
    },
  },
  problem: {
    schema: Problem,
    document: {
      version: 1,
      job: 'demo',
      code: 'MANIFEST_INVALID',
      keys: ['segments.json'],
      message: 'One field is wrong.',
      errors: [{ field: 'a', expected: 'b', found: 'c', text: 'a: expected b, found c' }],
      fix: 'Mend it.',
      found_at: '2026-11-05T10:00:00.000Z',
    },
  },
} as const satisfies Record<string, ValidDocument>;

export type Path = readonly (string | number)[];

/** The paths of everything inside a document, itself included. */
export function pathsOf(document: unknown, path: Path = []): Path[] {
  if (Array.isArray(document)) return [path, ...document.flatMap((entry, index) => pathsOf(entry, [...path, index]))];
  if (typeof document !== 'object' || document === null) return [path];
  return [path, ...Object.entries(document).flatMap(([name, value]) => pathsOf(value, [...path, name]))];
}

/** A copy of the document with another value at `path`; `undefined` takes the field away. */
export function withValue(document: unknown, path: Path, value: unknown): unknown {
  const [part, ...rest] = path;
  if (part === undefined) return value;
  if (Array.isArray(document)) return document.map((entry, index) => (index === part ? withValue(entry, rest, value) : entry));
  const before = typeof document === 'object' && document !== null ? document : {};
  const copy = new Map<string, unknown>(Object.entries(before));
  const changed = withValue(copy.get(String(part)), rest, value);
  if (changed === undefined) copy.delete(String(part));
  else copy.set(String(part), changed);
  return Object.fromEntries(copy);
}
