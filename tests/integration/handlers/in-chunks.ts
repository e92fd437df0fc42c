/** One video made twice by the real runner: whole, and in chunks as a pipeline would have it, over presigned URLs alone. */
import { ChunkList } from '../../../manifests/chunks.ts';
import { runContext, succeeded, type TaskBench } from './task-bench.ts';

export interface MadeTwice {
  readonly whole: string;
  readonly joined: string;
  readonly list: ChunkList;
}

export const splitOffer = (bench: TaskBench, name: string, aboveSec: number, chunkSec: number) => ({
  above_sec: aboveSec,
  chunk_sec: chunkSec,
  list_put_url: bench.sink.url(`${name}.chunks.json`),
  sound_put_url: bench.sink.url(`${name}.sound.m4a`),
  put_headers: { 'x-amz-meta-fingerprint': 'f'.repeat(16) },
  split_put_url: bench.sink.url(`${name}.split.json`),
});

/** `parameters` without a destination. */
export async function makeTwice(
  bench: TaskBench,
  name: string,
  task: 'DOWNSAMPLING' | 'ENCODING',
  parameters: Record<string, unknown>,
  chunkSec: number,
): Promise<MadeTwice> {
  succeeded(await bench.run(task, { ...parameters, output_put_url: bench.sink.url(`${name}.whole.mp4`) }));
  const list = await splitOf(bench, name, task, parameters, chunkSec);
  const joined = await joinOf(bench, name, task, parameters, list);
  return { whole: await bench.takenFile(`${name}.whole.mp4`), joined, list };
}

export async function splitOf(
  bench: TaskBench,
  name: string,
  task: string,
  parameters: Record<string, unknown>,
  chunkSec: number,
): Promise<ChunkList> {
  const millrace = runContext(bench, name, { split: splitOffer(bench, name, chunkSec, chunkSec) });
  succeeded(await bench.run(task, { ...parameters, output_put_url: bench.sink.url(`${name}.mp4`), millrace }));
  return ChunkList.parse(bench.sink.json(`${name}.chunks.json`));
}

/** Makes the chunks, last one first, and joins them. */
export async function joinOf(
  bench: TaskBench,
  name: string,
  task: string,
  parameters: Record<string, unknown>,
  list: ChunkList,
): Promise<string> {
  const { input_audio_uri: _sound, ...pictures } = parameters;
  const chunkUrls: string[] = [];
  for (const [index, chunk] of [...list.chunks.entries()].toReversed()) {
    const chunkName = `${name}.chunk_${index}.mp4`;
    succeeded(await bench.run(task, { ...pictures, chunk, output_put_url: bench.sink.url(chunkName) }));
    chunkUrls.unshift(bench.serve(await bench.takenFile(chunkName)));
  }
  const sound = list.sound ? { sound_url: bench.serve(await bench.takenFile(`${name}.sound.m4a`)) } : {};
  const output_put_url = bench.sink.url(`${name}.joined.mp4`);
  succeeded(await bench.run('JOIN_CHUNKS', { chunk_urls: chunkUrls, chunks: list.chunks, ...sound, output_put_url }));
  return bench.takenFile(`${name}.joined.mp4`);
}
