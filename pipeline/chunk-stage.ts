/**
 * The stage behind a stage with `chunks`: one item per chunk of a long source. Where its files lie, what it is made from, and how its
 * outputs are joined. It is part of every such graph, and off until a worker has found the source to be long.
 */
import { z } from 'zod';
import type { ChunkList } from '../manifests/chunks.ts';
import type { GraphStage } from './graph.ts';
import { referencesIn } from './references.ts';

/** Relative to the job's folder. */
export interface ChunkKeys {
  readonly list: string;
  readonly sound: string;
  /** Of one chunk, with `${index}`. */
  readonly chunk: string;
}

export function chunkKeys(stage: string): ChunkKeys {
  const folder = `stage/${stage}/chunks/`;
  return { list: `${folder}chunks.json`, sound: `${folder}sound.m4a`, chunk: `${folder}chunk_\${index}.mp4` };
}

export const chunkStageName = (stage: string): string => `${stage}-chunks`;

/** Chunks are pictures alone: another sound must not make them anew. */
const SOUND_PARAMETERS = new Set(['input_audio_uri']);

/** One lost chunk holds up the whole, and none of them takes as long as that does. */
const CHUNK_PATIENCE_SEC = 900;

export function chunkStageOf(stage: GraphStage): GraphStage {
  const { chunks: _chunks, inputs = {}, parameters = {}, ...rest } = stage;
  const pictures = Object.fromEntries(Object.entries(parameters).filter(([name]) => !SOUND_PARAMETERS.has(name)));
  const used = new Set(referencesIn(pictures).map((reference) => reference.split('.')[1]));
  return {
    ...rest,
    name: chunkStageName(stage.name),
    description: `The chunks of ${stage.name}, where its source is long.`,
    inputs: Object.fromEntries(Object.entries(inputs).filter(([name]) => used.has(name))),
    parameters: { ...pictures, chunk: '${item}' },
    for_each: '${inputs.list.chunks}',
    output: chunkKeys(stage.name).chunk,
    patience_sec: Math.min(stage.patience_sec, CHUNK_PATIENCE_SEC),
    isChunkStage: true,
  };
}

/** The stage as the run that joins its chunks has it. */
export function joinStageOf(stage: GraphStage, { chunks, sound }: ChunkList): GraphStage {
  const { chunks: _chunks, chunkStage: _chunkStage, ...rest } = stage;
  const soundUrl = sound ? { sound_url: '${inputs.sound}' } : {};
  return {
    ...rest,
    task: 'JOIN_CHUNKS',
    parameters: { chunk_urls: '${inputs.chunks}', chunks: z.json().parse(chunks), ...soundUrl },
  };
}
