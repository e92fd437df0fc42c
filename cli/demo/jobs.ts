/** The demo's two jobs: what is written into them, and in which order. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Layout } from '../../pipeline/layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { DemoMedia } from './media.ts';
import { SEGMENTS } from './segments.ts';
import { demoSubtitles } from './subtitles.ts';

export const TALK_JOB = 'demo-talk';
export const PORTRAIT_JOB = 'demo-portrait';
export const JOBS = [TALK_JOB, PORTRAIT_JOB] as const;

/** Keys relative to a job's folder, as in the built-in pipeline. */
export const KEYS = {
  sources: 'inputs/sources.json',
  master: 'inputs/audio/master.m4a',
  video: 'inputs/video/source.mp4',
  subtitles: 'inputs/subtitles/en.ass',
  segments: 'stage/segmentation/segments.json',
  segment: (index: number) => `stage/segmentation/audio_segments/segment_${index}.wav`,
  downsampled: 'stage/downsample/downsampled.mp4',
  clip: (index: number) => `stage/clips/segment_${index}.mp4`,
  concatenated: 'stage/concatenation/concatenated.mp4',
  encoding: 'stage/encoding/encoding.json',
  output: 'exports/output.mp4',
} as const;

/** What the origin serves, by name. */
export const ORIGIN_NAMES = { master: 'talk.m4a', video: 'talk.mp4' } as const;

export interface Upload {
  readonly job: string;
  readonly key: string;
  /** The text of a document, or a file. */
  readonly content: { readonly text: string } | { readonly file: string };
  /** What it asks for, for the person who watches. */
  readonly about: string;
}

/** The manifests first, before anything that they ask for is there: the order of writing does not matter. */
export function firstUploads(media: DemoMedia, originUrl: (name: string) => string): Upload[] {
  const document = (value: unknown) => ({ text: `${JSON.stringify(value, null, 2)}\n` });
  const sources = [
    { source_uri: originUrl(ORIGIN_NAMES.master), dest_key: KEYS.master },
    { source_uri: originUrl(ORIGIN_NAMES.video), dest_key: KEYS.video },
  ];
  const cuts = `cut the talk into ${SEGMENTS.length} segments`;
  return [
    upload(TALK_JOB, KEYS.encoding, document({ language: 'en', subtitles: true }), 'burn subtitles into the final video'),
    upload(TALK_JOB, KEYS.segments, document({ segments: SEGMENTS }), `${cuts}, although there is no talk yet`),
    upload(TALK_JOB, KEYS.sources, document({ sources }), 'fetch the talk and a video from a web server'),
    upload(PORTRAIT_JOB, KEYS.video, { file: media.portrait }, 'a portrait video: a small copy is made of any video'),
    upload(TALK_JOB, KEYS.subtitles, { text: demoSubtitles() }, 'the subtitles'),
  ];
}

const upload = (job: string, key: string, content: Upload['content'], about: string): Upload => ({ job, key, content, about });

/** Into the bucket through its S3 API, as any client would. */
export async function put(
  { store, layout }: { readonly store: ObjectStore; readonly layout: Layout },
  { job, key, content }: Pick<Upload, 'job' | 'key' | 'content'>,
  signal: AbortSignal,
): Promise<void> {
  const fullKey = layout.jobKey(job, key);
  if ('text' in content) return void (await store.put(fullKey, content.text, { signal }));
  const { size } = await stat(content.file);
  await store.put(fullKey, createReadStream(content.file), { contentLengthBytes: size, signal });
}
