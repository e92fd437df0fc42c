/**
 * Many short segments of one long master: the worker's own task runner, in runs of eight and one by one, beside the naive way.
 * All read from and write to one local origin in the same run.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locate, type Tools } from '../handlers/ffmpeg/locate.ts';
import { createTaskRunner, type TaskRunner } from '../handlers/run-task.ts';
import { silentLogger } from '../log.ts';
import { MASTER_FORMATS, type MasterFormat, makeMaster } from './masters.ts';
import { trimNaively } from './naive-way.ts';
import { type BenchOrigin, startBenchOrigin, type Throttle, type Traffic } from './origin.ts';

export interface TrimsOptions {
  /** How long the master is: a multiple of ten. */
  readonly masterMinutes: number;
  readonly segments: number;
  /** So many segments are cut the naive way; the rest of its time and traffic is extrapolated. */
  readonly naiveSegments: number;
  /** The same again over each; `null` is as fast as loopback is. */
  readonly networks: readonly (Throttle | null)[];
  readonly formats?: readonly MasterFormat[];
}

export type TrimWay = 'batches' | 'singles' | 'naive';

export interface TrimsRow extends Traffic {
  readonly format: MasterFormat;
  readonly way: TrimWay;
  /** Fewer than asked for in the naive way: then everything but the memory is extrapolated from them. */
  readonly segmentsMeasured: number;
  readonly wallMs: number;
  /** How many times as long the naive way took. */
  readonly timesFaster: number;
  /** Bytes read, as a share of the naive way's: 0.01 is one in a hundred. */
  readonly bytesShare: number;
  /** The most that this process (the runner and the origin; ffmpeg is not in it) took beyond what it had before the first way of all. */
  readonly rssGrowthBytes: number;
}

export interface TrimsReport {
  readonly ffmpeg: string;
  readonly masterMinutes: number;
  readonly masterBytes: Readonly<Partial<Record<MasterFormat, number>>>;
  readonly segments: number;
  readonly segmentSeconds: number;
  readonly batchSize: number;
  readonly throttle: Throttle | null;
  readonly rows: readonly TrimsRow[];
}

export const SEGMENT_SECONDS = 6;
/** As the built-in pipeline dispatches them. */
export const BATCH_SIZE = 8;
const TIME_LIMIT_SECONDS = 600;
const MEMORY_INTERVAL_MS = 20;

interface Bench {
  readonly tools: Tools;
  readonly directory: string;
  readonly origin: BenchOrigin;
  readonly starts: readonly number[];
  readonly rssBeforeBytes: number;
}

/** One report a network. Throws where any segment fails: then there is nothing to compare. */
export async function measureTrims(options: TrimsOptions): Promise<TrimsReport[]> {
  const { masterMinutes, segments, networks, formats = MASTER_FORMATS } = options;
  const tools = await locate();
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const rows = networks.map((): TrimsRow[] => []);
  const masterBytes: Partial<Record<MasterFormat, number>> = {};
  const rssBeforeBytes = process.memoryUsage.rss();
  try {
    for (const format of formats) {
      const folder = join(directory, format);
      await mkdir(folder);
      const master = await makeMaster(tools.ffmpeg, folder, format, masterMinutes);
      masterBytes[format] = master.sizeBytes;
      for (const [index, throttle] of networks.entries()) {
        const origin = await startBenchOrigin(new Map([[format, master]]), throttle ?? undefined);
        try {
          const bench = { tools, directory: folder, origin, starts: startsOf(options), rssBeforeBytes };
          rows[index]?.push(...(await rowsOf(format, bench, options)));
        } finally {
          await origin.close();
        }
      }
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return networks.map((throttle, index) => ({
    ...{ ffmpeg: tools.version, masterMinutes, masterBytes, segments },
    ...{ segmentSeconds: SEGMENT_SECONDS, batchSize: BATCH_SIZE, throttle, rows: rows[index] ?? [] },
  }));
}

/** Spread evenly, none at a round second. */
function startsOf({ masterMinutes, segments }: TrimsOptions): number[] {
  const stepSeconds = (masterMinutes * 60 - SEGMENT_SECONDS - 1) / segments;
  return Array.from({ length: segments }, (_, index) => Math.round((index + 0.37) * stepSeconds * 1000) / 1000);
}

async function rowsOf(format: MasterFormat, bench: Bench, { naiveSegments }: TrimsOptions): Promise<TrimsRow[]> {
  const { starts } = bench;
  const step = starts.length / naiveSegments;
  const sample = starts.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step)).slice(0, naiveSegments);
  const factor = starts.length / sample.length;
  const measured: (Measured & { readonly way: TrimWay })[] = [];
  for (const [way, size] of [['batches', BATCH_SIZE] as const, ['singles', 1] as const]) {
    // A runner of its own each: what one has kept of a master must not serve the other.
    const workDir = join(bench.directory, way);
    const runner = createTaskRunner({
      ...{
        tools: bench.tools,
        workDir,
        allowHosts: [bench.origin.host],
        timeLimitSeconds: TIME_LIMIT_SECONDS,
        log: silentLogger,
      },
    });
    try {
      measured.push({ way, ...(await measure(bench, () => runTasks(runner, format, size, bench))) });
    } finally {
      await runner.close();
    }
  }
  const naive = await measure(bench, () => runNaively(format, sample, bench));
  const whole = { ...naive, wallMs: naive.wallMs * factor, traffic: multiplied(naive.traffic, factor) };
  const row = (way: TrimWay, { wallMs, traffic, rssGrowthBytes }: Measured, segmentsMeasured: number): TrimsRow => ({
    ...{ format, way, segmentsMeasured, wallMs, ...traffic },
    timesFaster: whole.wallMs / wallMs,
    bytesShare: traffic.downloadedBytes / whole.traffic.downloadedBytes,
    rssGrowthBytes,
  });
  return [...measured.map(({ way, ...found }) => row(way, found, starts.length)), row('naive', whole, sample.length)];
}

async function runNaively(format: MasterFormat, starts: readonly number[], { tools, directory, origin }: Bench): Promise<void> {
  for (const [index, startSeconds] of starts.entries()) {
    await trimNaively({
      ...{ ffmpeg: tools.ffmpeg, directory, sourceUrl: origin.masterUrl(format), uploadUrl: origin.uploadUrl(`naive-${index}`) },
      ...{ startSeconds, durationSeconds: SEGMENT_SECONDS },
    });
  }
}

/** One run after the other, as a worker with one place takes them. */
async function runTasks(runner: TaskRunner, format: MasterFormat, size: number, { origin, starts }: Bench): Promise<void> {
  const segments = starts.map((startSeconds, index) => ({
    source_uri: origin.masterUrl(format),
    start_sec: startSeconds,
    duration_sec: SEGMENT_SECONDS,
    output_put_url: origin.uploadUrl(`segment-${index}.wav`),
  }));
  for (let first = 0; first < segments.length; first += size) {
    const batch = segments.slice(first, first + size);
    const input = { task: 'AUDIO_TRIM', parameters: size === 1 ? batch[0] : { segments: batch } };
    const scope = { requestId: `bench-${first}`, signal: new AbortController().signal, log: silentLogger, progress: () => {} };
    const answer = await runner.run(input, scope);
    if (answer.kind === 'failed') throw answer.error;
    if (answer.kind !== 'succeeded' || (answer.output.failed ?? 0) !== 0) throw new Error('A segment was not cut.');
  }
}

interface Measured {
  readonly wallMs: number;
  readonly traffic: Traffic;
  readonly rssGrowthBytes: number;
}

async function measure({ origin, rssBeforeBytes }: Bench, work: () => Promise<void>): Promise<Measured> {
  origin.takeTraffic();
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, MEMORY_INTERVAL_MS);
  const startedAtMs = performance.now();
  try {
    await work();
    look();
    const wallMs = performance.now() - startedAtMs;
    return { wallMs, traffic: origin.takeTraffic(), rssGrowthBytes: peak - rssBeforeBytes };
  } finally {
    clearInterval(timer);
  }
}

function multiplied({ downloads, downloadedBytes, uploads, uploadedBytes }: Traffic, factor: number): Traffic {
  return {
    downloads: downloads * factor,
    downloadedBytes: downloadedBytes * factor,
    uploads: uploads * factor,
    uploadedBytes: uploadedBytes * factor,
  };
}
