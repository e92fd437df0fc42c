/**
 * Splitting: what a task does in the place of its work where its source turns out to be long, and the run offers it. The list of
 * chunks goes out first, because the first of them can then be encoded while the sound of the whole is still being made.
 */
import { Readable } from 'node:stream';
import type { Chunk, ChunkList } from '../manifests/chunks.ts';
import type { RunContext } from '../manifests/run-context.ts';
import { cutIntoChunks, cutOff, frameGrid } from './ffmpeg/chunk-grid.ts';
import type { MediaInfo } from './ffmpeg/probe.ts';
import type { ToolEnd } from './ffmpeg/run.ts';
import type { Destination } from './outputs/destination.ts';
import { type Published, publish } from './outputs/publish.ts';
import type { TaskOutput } from './task.ts';
import type { TaskContext } from './task-context.ts';

export interface SplitSound {
  readonly make: (outputFile: string) => Promise<ToolEnd>;
  readonly verify: (made: MediaInfo, outputFile: string) => Promise<void>;
}

/**
 * `undefined` where nothing offers it, the source is short, or it cannot be cut: it is then made whole. `lastSeconds`: how long the
 * output is to last, where that may be less than the source does.
 */
export function chunksOf(
  info: MediaInfo,
  run: RunContext | undefined,
  { log }: Pick<TaskContext, 'log'>,
  lastSeconds = Number.POSITIVE_INFINITY,
): Chunk[] | undefined {
  const offer = run?.split;
  const seconds = info.video?.durationSeconds ?? info.durationSeconds ?? 0;
  if (offer === undefined || seconds <= offer.above_sec) return undefined;
  const grid = frameGrid(info);
  if (typeof grid === 'string') {
    log.info({ reason: grid }, 'the source is long, but it is made whole');
    return undefined;
  }
  const chunks = cutIntoChunks(cutOff(grid, lastSeconds), offer.chunk_sec);
  return chunks.length > 1 ? chunks : undefined;
}

export async function split(
  chunks: readonly Chunk[],
  sound: SplitSound | undefined,
  run: RunContext,
  context: TaskContext,
): Promise<TaskOutput> {
  const { split: offer, fingerprint } = run;
  if (offer === undefined) throw new RangeError('nothing offers to split');
  const destination = (url: string): Destination => ({ kind: 'put', url, headers: offer.put_headers, reportedUri: '' });
  const list: ChunkList = { version: 1, fingerprint, sound: sound !== undefined, chunks: [...chunks] };
  const bytes = Buffer.from(`${JSON.stringify(list)}\n`);
  await context.upload(destination(offer.list_put_url), {
    sizeBytes: bytes.length,
    contentType: 'application/json',
    open: () => Readable.from([bytes], { objectMode: false }),
  });
  const made = sound === undefined ? undefined : await publishSound(sound, destination(offer.sound_put_url), context);
  return {
    statusCode: 200,
    body: `Split into ${chunks.length} chunks.`,
    split: true,
    chunks: chunks.length,
    bytes_written: bytes.length + (made?.sizeBytes ?? 0),
  };
}

function publishSound({ make, verify }: SplitSound, destination: Destination, context: TaskContext): Promise<Published> {
  const file = context.workspace.path('sound.m4a');
  return publish(
    { file, make: () => make(file), contentType: 'audio/mp4', destination, verify: (made) => verify(made, file) },
    context,
  );
}
