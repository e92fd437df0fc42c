/** A job of two stages and many runs: long enough to be interrupted in the middle of either. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StackView } from './stack.ts';

/** A run for every item; claims are asked after as soon as a sweep sees them. */
const PIPELINE = {
  version: 1,
  stages: {
    cut: {
      manifest: { keys: ['segments.json'], type: 'segments' },
      inputs: { audio: { key: 'inputs/audio/master.*' } },
      for_each: '${manifest.segments}',
      task: 'AUDIO_TRIM',
      parameters: { source_uri: '${inputs.audio}', start_sec: '${item.start_sec}', duration_sec: '${item.duration_sec}' },
      output: 'parts/part_${index}.wav',
      patience_sec: 1,
    },
    copy: {
      manifest: { keys: ['segments.json'], type: 'segments' },
      inputs: { part: { key: 'parts/part_${index}.wav' } },
      for_each: '${manifest.segments}',
      task: 'STAGE_OBJECT',
      parameters: { source_uri: '${inputs.part}' },
      output: 'copies/part_${index}.wav',
      patience_sec: 1,
    },
  },
};

const SECONDS_EACH = 0.1;

export async function submitLongJob(stack: StackView, job: string, items: number, master: string): Promise<void> {
  await stack.put(job, 'pipeline.json', JSON.stringify(PIPELINE));
  await stack.put(job, `inputs/audio/${basename(master)}`, await readFile(master));
  const segments = Array.from({ length: items }, (_, index) => ({ start_sec: index * SECONDS_EACH, duration_sec: SECONDS_EACH }));
  await stack.put(job, 'segments.json', JSON.stringify(segments));
}

/** Every output of both stages, in key order. */
export function outputsOf(items: number): string[] {
  const numbers = Array.from({ length: items }, (_, index) => index);
  return ['copies', 'parts'].flatMap((folder) => numbers.map((index) => `${folder}/part_${index}.wav`)).sort();
}

/** The master that so many items are cut from. */
export const masterSeconds = (items: number): number => items * SECONDS_EACH;
