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
  /** Medians. The same arguments on a local file. */
  readonly bareMs: number;
  readonly workerMs: number;
  /** Of the pairs of neighbours, the median: what else runs disturbs both alike. */
  readonly overhead: number;
  /** Once for a worker: it finds ffmpeg and proves what can encode. */
  readonly startUpMs: number;
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
    return {
      ...{ ...video, rounds, sourceBytes: bytes.length, startUpMs },
      bareMs: median(pairs.map((pair) => pair.bareMs)),
      workerMs: median(pairs.map((pair) => pair.workerMs)),
      overhead: median(pairs.map((pair) => pair.workerMs / pair.bareMs)) - 1,
    };
  } finally {
    await origin.close();
    await rm(directory, { recursive: true, force: true });
  }
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
  ...{ videoSeconds: 60, width: 1920, height: 1080, rounds: 5, megabitsPerSecond },
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
  const { rounds, videoSeconds, sourceBytes, width, height, megabitsPerSecond, bareMs, workerMs, overhead, startUpMs } = report;
  const source = `${width}x${height} of ${megabitsPerSecond} Mbit/s, ${formatBytes(sourceBytes)}`;
  return [
    `${videoSeconds} s of ${source}, to ${HEIGHT}p; medians of ${rounds} pairs`,
    ...formatTable([
      ['way', 'wall', 'against ffmpeg alone'],
      ['ffmpeg alone, local files', `${(bareMs / 1000).toFixed(2)} s`, ''],
      ['the task, over HTTP', `${(workerMs / 1000).toFixed(2)} s`, `${overhead < 0 ? '' : '+'}${(100 * overhead).toFixed(1)} %`],
      ['start-up of a worker, once', `${(startUpMs / 1000).toFixed(2)} s`, ''],
    ]),
  ];
}
