/**
 * A long video made whole by one worker, and in chunks by one and by two: DOWNSAMPLING by the worker's own task runner, every worker
 * with one core of its own. From what the chunks took follows what up to a hundred workers would take for a video of two hours.
 */

import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { locate, type Tools } from '../handlers/ffmpeg/locate.ts';
import { createTaskRunner, type TaskRunner } from '../handlers/run-task.ts';
import { silentLogger } from '../log.ts';
import { ChunkList } from '../manifests/chunks.ts';
import { type ChunkCosts, wallMsOn } from './chunk-schedule.ts';
import { chunksTable } from './chunks-table.ts';
import { type FileStore, startFileStore } from './file-store.ts';
import type { Bench } from './measurement.ts';
import { type Quality, qualityOf } from './picture-quality.ts';

const execute = promisify(execFile);

export interface ChunksOptions {
  readonly sourceSeconds: number;
  readonly chunkSeconds: number;
  /** Of the video that is simulated. */
  readonly simulatedSeconds: number;
}

export interface ChunksReport {
  readonly ffmpeg: string;
  readonly sourceSeconds: number;
  readonly chunkSeconds: number;
  /** Every ffmpeg was held to one core; else they share all of them. */
  readonly pinned: boolean;
  readonly wholeMs: number;
  readonly costs: ChunkCosts;
  /** From the first run's start to the join's end, waits between runs left out, and how often that goes into `wholeMs`. */
  readonly measured: readonly { readonly workers: number; readonly wallMs: number; readonly timesFaster: number }[];
  readonly simulated: {
    readonly videoSeconds: number;
    readonly chunks: number;
    readonly hopMs: number;
    readonly rows: readonly { readonly workers: number; readonly wallMs: number; readonly timesFaster: number }[];
  };
  readonly frames: { readonly whole: number; readonly chunks: number };
  readonly bytes: { readonly whole: number; readonly chunks: number };
  readonly quality: { readonly whole: Quality; readonly chunks: Quality };
}

/** As the built-in pipeline cuts. */
const SIMULATED_CHUNK_SECONDS = 120;
const SIMULATED_WORKERS = [1, 2, 5, 10, 20, 50, 100];
/** Event, plan, claim, `/run`, and a warm worker that takes it. Cold starts come on top. */
const HOP_MS = 500;
const RESOLUTION = 360;
const TIME_LIMIT_SECONDS = 3600;

const FULL: ChunksOptions = { sourceSeconds: 180, chunkSeconds: 45, simulatedSeconds: 7200 };
const QUICK: ChunksOptions = { sourceSeconds: 16, chunkSeconds: 4, simulatedSeconds: 7200 };

export const chunks: Bench<ChunksReport> = {
  name: 'chunks',
  measure: (quick) => measureChunks(quick ? QUICK : FULL),
  table: chunksTable,
  goals({ measured, simulated, bytes }) {
    const faster = (rows: ChunksReport['measured'], wanted: number) =>
      rows.find(({ workers }) => workers === wanted)?.timesFaster ?? 0;
    return [
      { what: 'a video in chunks: two workers against one', found: faster(measured, 2), goal: 1.5, unit: '×', better: 'more' },
      {
        what: 'two hours in chunks: twenty workers, simulated',
        found: faster(simulated.rows, 20),
        goal: 10,
        unit: '×',
        better: 'more',
      },
      {
        ...{ what: 'bytes of a video in chunks, above the whole', found: (100 * (bytes.chunks - bytes.whole)) / bytes.whole },
        ...{ goal: 3, unit: '%' as const, better: 'less' as const },
      },
    ];
  },
};

/** Throws where any run fails: then there is nothing to compare. */
export async function measureChunks({ sourceSeconds, chunkSeconds, simulatedSeconds }: ChunksOptions): Promise<ChunksReport> {
  const tools = await locate();
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  let onPut = (_name: string) => {};
  const store = await startFileStore(directory, (name) => onPut(name));
  const cores = await coresOf(tools, directory);
  const workers = [0, 1].map((core) => workerOn(cores?.[core] ?? tools, join(directory, `worker-${core}`), store));
  const [first, second] = workers;
  if (first === undefined || second === undefined) throw new Error('two workers');
  try {
    await makeSource(tools.ffmpeg, store.file('source.mp4'), sourceSeconds);
    const parameters = { original_video_uri: store.url('source.mp4'), resolution: RESOLUTION };
    // What a worker finds out once, it is to have found out.
    await run(first, 'PING', {});
    await run(second, 'PING', {});
    const whole = await timed(() => run(first, 'DOWNSAMPLING', { ...parameters, output_put_url: store.url('whole.mp4') }));

    const startedAtMs = performance.now();
    let listMs = 0;
    onPut = (name) => {
      if (name === 'chunks.json') listMs = performance.now() - startedAtMs;
    };
    const split = await timed(() => run(first, 'DOWNSAMPLING', { ...parameters, ...splitParameters(store, chunkSeconds) }));
    const { chunks } = ChunkList.parse(JSON.parse(await readFile(store.file('chunks.json'), 'utf8')));
    const encodeChunk = (worker: TaskRunner, index: number) =>
      timed(() =>
        run(worker, 'DOWNSAMPLING', { ...parameters, chunk: chunks[index], output_put_url: store.url(`chunk_${index}.mp4`) }),
      );
    const chunksMs: number[] = [];
    for (const index of chunks.keys()) chunksMs.push((await encodeChunk(first, index)).wallMs);
    const makeAgain = () => run(first, 'DOWNSAMPLING', { ...parameters, ...splitParameters(store, chunkSeconds) });
    // As in a pipeline: the first chunk is begun as soon as the list is there, while the sound is still being made.
    const beside = await timed(async () => {
      const isListed = new Promise<void>((resolve) => {
        onPut = (name) => {
          if (name === 'chunks.json') resolve();
        };
      });
      await shareOut(
        chunks.length,
        [
          { worker: first, ready: makeAgain() },
          { worker: second, ready: isListed },
        ],
        encodeChunk,
      );
    });
    const join = (indexes: readonly number[], output: string) =>
      timed(() =>
        run(first, 'JOIN_CHUNKS', {
          chunks: indexes.map((index) => chunks[index]),
          chunk_urls: indexes.map((index) => store.url(`chunk_${index}.mp4`)),
          ...{ sound_url: store.url('sound.m4a'), output_put_url: store.url(output) },
        }),
      );
    const joined = await join([...chunks.keys()], 'joined.mp4');
    const simulatedChunks = Math.round(simulatedSeconds / SIMULATED_CHUNK_SECONDS);
    const numbers = Array.from({ length: simulatedChunks }, (_, index) => index % chunks.length);
    const manyJoined = await join(numbers, 'many.mp4');

    const costs: ChunkCosts = { listMs, splitMs: split.wallMs, chunksMs, joinMs: joined.wallMs };
    // By length, fixed costs and all: what is simulated is rather too slow than too fast.
    const longer = simulatedSeconds / sourceSeconds;
    const chunkLonger = SIMULATED_CHUNK_SECONDS / chunkSeconds;
    const video: ChunkCosts = {
      listMs,
      splitMs: listMs + (split.wallMs - listMs) * longer,
      chunksMs: numbers.map((index) => (chunksMs[index] ?? 0) * chunkLonger),
      joinMs: manyJoined.wallMs * chunkLonger,
    };
    const row = (count: number, wallMs: number, wholeMs: number) => ({ workers: count, wallMs, timesFaster: wholeMs / wallMs });
    const oneAfterAnother = split.wallMs + chunksMs.reduce((sum, ms) => sum + ms, 0) + joined.wallMs;
    return {
      ...{ ffmpeg: tools.version, sourceSeconds, chunkSeconds, pinned: cores !== null },
      ...{ wholeMs: whole.wallMs, costs },
      measured: [row(1, oneAfterAnother, whole.wallMs), row(2, beside.wallMs + joined.wallMs, whole.wallMs)],
      simulated: {
        ...{ videoSeconds: simulatedSeconds, chunks: simulatedChunks, hopMs: HOP_MS },
        rows: SIMULATED_WORKERS.map((count) => row(count, wallMsOn(count, video, HOP_MS), whole.wallMs * longer)),
      },
      frames: { whole: await framesOf(tools, store.file('whole.mp4')), chunks: await framesOf(tools, store.file('joined.mp4')) },
      bytes: { whole: Number(whole.value.bytes_written), chunks: Number(joined.value.bytes_written) },
      quality: {
        whole: await qualityOf(tools.ffmpeg, store.file('whole.mp4'), store.file('source.mp4')),
        chunks: await qualityOf(tools.ffmpeg, store.file('joined.mp4'), store.file('source.mp4')),
      },
    };
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * Pictures that move and have grain, so that an encoder has its usual work, in 720p; and sound. Without a limit such pictures would take several
 * times the bit rate of any camera's.
 */
async function makeSource(ffmpeg: string, file: string, seconds: number): Promise<void> {
  await execute(ffmpeg, [
    ...['-nostdin', '-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=1280x720:r=30000/1001:d=${seconds}`],
    ...['-f', 'lavfi', '-i', `aevalsrc='0.4*sin(2*PI*(200+20*t)*t)':s=48000:d=${seconds}`],
    ...['-vf', 'noise=alls=6:allf=t', '-c:v', 'libx264', '-preset', 'veryfast', '-g', '60', '-pix_fmt', 'yuv420p'],
    ...['-b:v', '8M', '-maxrate', '10M', '-bufsize', '10M'],
    ...['-c:a', 'aac', file],
  ]);
}

/** An ffmpeg per core, where the system can hold a program to one; `null` where it cannot. */
async function coresOf(tools: Tools, directory: string): Promise<Tools[] | null> {
  if (availableParallelism() < 2) return null;
  const pinned = [0, 1].map(async (core) => {
    const ffmpeg = join(directory, `ffmpeg-${core}`);
    await writeFile(ffmpeg, `#!/bin/sh\nexec taskset -c ${core} '${tools.ffmpeg}' "$@"\n`);
    await chmod(ffmpeg, 0o755);
    await execute(ffmpeg, ['-version']);
    return { ...tools, ffmpeg };
  });
  return Promise.all(pinned).catch(() => null);
}

function workerOn(tools: Tools, workDir: string, { host }: FileStore): TaskRunner {
  return createTaskRunner({ tools, workDir, allowHosts: [host], timeLimitSeconds: TIME_LIMIT_SECONDS, log: silentLogger });
}

function splitParameters(store: FileStore, chunkSeconds: number) {
  const split = {
    ...{ above_sec: chunkSeconds, chunk_sec: chunkSeconds, put_headers: {} },
    ...{ list_put_url: store.url('chunks.json'), sound_put_url: store.url('sound.m4a'), split_put_url: store.url('split.json') },
  };
  const item = { job: 'bench', stage: 'downsample', item: '0', fingerprint: 'bench', attempt: 1 };
  return { output_put_url: store.url('unused.mp4'), millrace: { ...item, split } };
}

/** Each worker takes the next chunk as soon as it is free, from when it is ready. */
async function shareOut(
  count: number,
  workers: readonly { readonly worker: TaskRunner; readonly ready: Promise<unknown> }[],
  work: (worker: TaskRunner, index: number) => Promise<unknown>,
): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    workers.map(async ({ worker, ready }) => {
      await ready;
      for (const index of indexes) await work(worker, index);
    }),
  );
}

async function run(worker: TaskRunner, task: string, parameters: Record<string, unknown>) {
  const scope = { requestId: 'bench', signal: new AbortController().signal, log: silentLogger, progress: () => {} };
  const answer = await worker.run({ task, parameters }, scope);
  if (answer.kind === 'failed') throw answer.error;
  if (answer.kind !== 'succeeded') throw new Error(`${task} was ${answer.kind}.`);
  return answer.output;
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly wallMs: number }> {
  const startedAtMs = performance.now();
  const value = await work();
  return { value, wallMs: performance.now() - startedAtMs };
}

async function framesOf({ ffprobe }: Tools, file: string): Promise<number> {
  const args = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=nb_frames', '-of', 'csv=p=0', file];
  return Number.parseInt((await execute(ffprobe, args)).stdout, 10);
}
