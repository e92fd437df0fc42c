/**
 * Many short segments of one long master: the worker's own task runner, in runs of eight and one by one, beside the naive way.
 * All read from and write to one local origin in the same run, each from a process of its own.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeFlags } from '../bin/setup.mjs';
import { locate } from '../handlers/ffmpeg/locate.ts';
import { MASTER_FORMATS, type MasterFormat, makeMaster } from './masters.ts';
import { type BenchOrigin, startBenchOrigin, type Throttle, type Traffic } from './origin.ts';

const execute = promisify(execFile);
const PROCESS = fileURLToPath(new URL('trims-process.ts', import.meta.url));

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
  /** The most that the way's process (ffmpeg is not in it) took beyond what it had before its first segment. */
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

/** What the process of a way is told. */
export interface TrimsTask {
  readonly way: TrimWay;
  readonly source: string;
  /** Each output's URL is this and its number. */
  readonly output: string;
  /** Of the origin. */
  readonly host: string;
  readonly directory: string;
  readonly starts: readonly number[];
}

export type TrimsMeasured = Pick<TrimsRow, 'wallMs' | 'rssGrowthBytes'>;

interface Bench {
  readonly directory: string;
  readonly origin: BenchOrigin;
  readonly starts: readonly number[];
}

/** One report a network. Throws where any segment fails: then there is nothing to compare. */
export async function measureTrims(options: TrimsOptions): Promise<TrimsReport[]> {
  const { masterMinutes, segments, networks, formats = MASTER_FORMATS } = options;
  const tools = await locate();
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const rows = networks.map((): TrimsRow[] => []);
  const masterBytes: Partial<Record<MasterFormat, number>> = {};
  try {
    for (const format of formats) {
      const folder = join(directory, format);
      await mkdir(folder);
      const master = await makeMaster(tools.ffmpeg, folder, format, masterMinutes);
      masterBytes[format] = master.sizeBytes;
      for (const [index, throttle] of networks.entries()) {
        const origin = await startBenchOrigin(new Map([[format, master]]), throttle ?? undefined);
        try {
          const bench = { directory: folder, origin, starts: startsOf(options) };
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
  const batches = await measure('batches', format, bench);
  const singles = await measure('singles', format, bench);
  const naive = await measure('naive', format, { ...bench, starts: sample });
  const whole = { ...naive, wallMs: naive.wallMs * factor, traffic: multiplied(naive.traffic, factor) };
  const row = (way: TrimWay, { wallMs, traffic, rssGrowthBytes }: Measured, segmentsMeasured: number): TrimsRow => ({
    ...{ format, way, segmentsMeasured, wallMs, ...traffic },
    timesFaster: whole.wallMs / wallMs,
    bytesShare: traffic.downloadedBytes / whole.traffic.downloadedBytes,
    rssGrowthBytes,
  });
  return [row('batches', batches, starts.length), row('singles', singles, starts.length), row('naive', whole, sample.length)];
}

interface Measured extends TrimsMeasured {
  readonly traffic: Traffic;
}

/** In a process of its own: what one way leaves behind, in its memory or in a worker's cache, is no other's. */
async function measure(way: TrimWay, format: MasterFormat, { directory, origin, starts }: Bench): Promise<Measured> {
  const task: TrimsTask = {
    ...{ way, source: origin.masterUrl(format), output: origin.uploadUrl(`${way}-`), host: origin.host },
    ...{ directory: join(directory, way), starts },
  };
  origin.takeTraffic();
  const { stdout } = await execute(process.execPath, [...nodeFlags, PROCESS, JSON.stringify(task)]);
  const measured: TrimsMeasured = JSON.parse(stdout);
  return { ...measured, traffic: origin.takeTraffic() };
}

function multiplied({ downloads, downloadedBytes, uploads, uploadedBytes }: Traffic, factor: number): Traffic {
  return {
    downloads: downloads * factor,
    downloadedBytes: downloadedBytes * factor,
    uploads: uploads * factor,
    uploadedBytes: uploadedBytes * factor,
  };
}
