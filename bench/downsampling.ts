/** What the worker adds to ffmpeg: a minute of video made smaller by a task, beside the same ffmpeg command on local files. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeFlags } from '../bin/setup.mjs';
import { formatBytes, formatTable } from '../cli/terminal.ts';
import { locate, type Tools } from '../handlers/ffmpeg/locate.ts';
import { type Bench, type Goal, median } from './measurement.ts';
import { startBenchOrigin } from './origin.ts';

const execute = promisify(execFile);
const PROCESS = fileURLToPath(new URL('downsampling-process.ts', import.meta.url));
const HEIGHT = 360;
const PART_SECONDS = 5;
const NAME = 'video.mp4';

export interface DownsamplingReport {
  readonly rounds: number;
  readonly videoSeconds: number;
  readonly sourceBytes: number;
  readonly width: number;
  readonly height: number;
  /** Asked for; what came of it are `sourceBytes`. */
  readonly megabitsPerSecond: number;
  /** The same arguments on a local file. */
  readonly bare: Times;
  readonly worker: Times;
  /** Between the fastest of each: what else a machine does only ever adds time, seconds at a time where the difference is tenths of one. */
  readonly overhead: number;
  /** Once for a worker: it finds ffmpeg and proves what can encode. */
  readonly startUpMs: number;
}

interface Times {
  readonly fastestMs: number;
  readonly medianMs: number;
}

/** What the measuring process is told. */
export interface DownsamplingTask {
  readonly file: string;
  readonly directory: string;
  readonly source: string;
  readonly output: string;
  /** Of the origin. */
  readonly host: string;
  readonly height: number;
  readonly rounds: number;
}

export interface DownsamplingMeasured {
  readonly startUpMs: number;
  readonly pairs: readonly { readonly bareMs: number; readonly workerMs: number }[];
}

interface Shape {
  readonly videoSeconds: number;
  /** Of the pictures. Grain without a limit would take several times as much as any camera's. */
  readonly megabitsPerSecond: number;
  readonly width: number;
  readonly height: number;
  readonly rounds: number;
}

export async function measureDownsampling(shape: Shape): Promise<DownsamplingReport> {
  const { rounds, ...video } = shape;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const file = await makeVideo(await locate(), directory, video);
  const bytes = await readFile(file);
  const origin = await startBenchOrigin(new Map([[NAME, { bytes }]]), undefined);
  const { host } = origin;
  const task: DownsamplingTask = {
    ...{ file, directory, host, rounds, height: HEIGHT },
    ...{ source: origin.masterUrl(NAME), output: origin.uploadUrl('out.mp4') },
  };
  try {
    const { stdout } = await execute(process.execPath, [...nodeFlags, PROCESS, JSON.stringify(task)]);
    const { startUpMs, pairs }: DownsamplingMeasured = JSON.parse(stdout);
    const bare = timesOf(pairs.map(({ bareMs }) => bareMs));
    const worker = timesOf(pairs.map(({ workerMs }) => workerMs));
    const overhead = worker.fastestMs / bare.fastestMs - 1;
    return { ...video, rounds, sourceBytes: bytes.length, startUpMs, bare, worker, overhead };
  } finally {
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function timesOf(times: readonly number[]): Times {
  return { fastestMs: Math.min(...times), medianMs: median(times) };
}

/** Moving pictures with grain, a few seconds of them encoded and then repeated. */
async function makeVideo({ ffmpeg }: Tools, directory: string, shape: Omit<Shape, 'rounds'>): Promise<string> {
  const [part, file] = [join(directory, 'part.mp4'), join(directory, NAME)];
  const picture = `testsrc2=s=${shape.width}x${shape.height}:r=30:d=${PART_SECONDS},noise=alls=12:allf=t`;
  const sound = `anoisesrc=color=pink:sample_rate=48000:amplitude=0.3:seed=7:duration=${PART_SECONDS}`;
  const most = `${shape.megabitsPerSecond * 1.25}M`;
  const rate = ['-b:v', `${shape.megabitsPerSecond}M`, '-maxrate', most, '-bufsize', most];
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', ...rate];
  const audio = ['-ac', '2', '-c:a', 'aac', '-b:a', '128k'];
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  await execute(ffmpeg, [...quiet, '-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound, ...video, ...audio, part]);
  const repetitions = String(Math.round(shape.videoSeconds / PART_SECONDS) - 1);
  await execute(ffmpeg, [...quiet, '-stream_loop', repetitions, '-i', part, '-c', 'copy', file]);
  return file;
}

/** What YouTube asks uploads of 1080p to have, and twice that, as phones record it in H.264: what is passed on grows with it. */
const FULL: readonly Shape[] = [8, 16].map((megabitsPerSecond) => ({
  ...{ videoSeconds: 60, width: 1920, height: 1080, rounds: 6, megabitsPerSecond },
}));
const QUICK: readonly Shape[] = [{ videoSeconds: 10, width: 640, height: 480, rounds: 1, megabitsPerSecond: 4 }];

export const downsampling: Bench<readonly DownsamplingReport[]> = {
  name: 'downsampling',
  async measure(quick) {
    const reports: DownsamplingReport[] = [];
    for (const shape of quick ? QUICK : FULL) reports.push(await measureDownsampling(shape));
    return reports;
  },
  table: (reports) => reports.flatMap((report, index) => [...(index === 0 ? [] : ['']), ...downsamplingTable(report)]),
  // A small picture is not what the goal is about.
  goals: (reports) => reports.filter(({ videoSeconds }) => videoSeconds >= 60).map(goalOf),
};

function goalOf({ overhead, megabitsPerSecond }: DownsamplingReport): Goal {
  const what = `worker on top of ffmpeg, 1080p of ${megabitsPerSecond} Mbit/s`;
  return { what, found: 100 * overhead, goal: 3, unit: '%', better: 'less' };
}

function downsamplingTable(report: DownsamplingReport): string[] {
  const { rounds, videoSeconds, sourceBytes, width, height, megabitsPerSecond, bare, worker, overhead, startUpMs } = report;
  const source = `${width}x${height} of ${megabitsPerSecond} Mbit/s, ${formatBytes(sourceBytes)}`;
  const cells = ({ fastestMs, medianMs }: Times) => [formatSeconds(fastestMs), formatSeconds(medianMs)];
  return [
    `${videoSeconds} s of ${source}, to ${HEIGHT}p; ${rounds} times each, by turns`,
    ...formatTable([
      ['way', 'fastest', 'median', 'fastest against ffmpeg alone'],
      ['ffmpeg alone, local files', ...cells(bare), ''],
      ['the task, over HTTP', ...cells(worker), `${overhead < 0 ? '' : '+'}${(100 * overhead).toFixed(2)} %`],
      ['start-up of a worker, once', formatSeconds(startUpMs), '', ''],
    ]),
  ];
}

function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
