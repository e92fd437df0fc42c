/** What the worker adds to ffmpeg: a minute of video made smaller by a task, beside the same ffmpeg command on local files. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeFlags } from '../bin/setup.mjs';
import { formatTable } from '../cli/terminal.ts';
import { locate, type Tools } from '../handlers/ffmpeg/locate.ts';
import { type Bench, median } from './measurement.ts';
import { startBenchOrigin } from './origin.ts';

const execute = promisify(execFile);
const PROCESS = fileURLToPath(new URL('downsampling-process.ts', import.meta.url));
const HEIGHT = 360;
const PART_SECONDS = 5;
/** As phones record 1080p in H.264. Grain without a limit would take several times as much. */
const BIT_RATE = ['-b:v', '16M', '-maxrate', '20M', '-bufsize', '20M'];
const NAME = 'video.mp4';

export interface DownsamplingReport {
  readonly rounds: number;
  readonly videoSeconds: number;
  readonly sourceBytes: number;
  readonly width: number;
  readonly height: number;
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
  readonly width: number;
  readonly height: number;
  readonly rounds: number;
}

export async function measureDownsampling({ videoSeconds, width, height, rounds }: Shape): Promise<DownsamplingReport> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const file = await makeVideo(await locate(), directory, { videoSeconds, width, height });
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
      ...{ rounds, videoSeconds, sourceBytes: bytes.length, width, height, startUpMs },
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
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', ...BIT_RATE];
  const audio = ['-ac', '2', '-c:a', 'aac', '-b:a', '128k'];
  const quiet = ['-nostdin', '-v', 'error', '-y'];
  await execute(ffmpeg, [...quiet, '-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound, ...video, ...audio, part]);
  const repetitions = String(Math.round(shape.videoSeconds / PART_SECONDS) - 1);
  await execute(ffmpeg, [...quiet, '-stream_loop', repetitions, '-i', part, '-c', 'copy', file]);
  return file;
}

export const downsampling: Bench<DownsamplingReport> = {
  name: 'downsampling',
  measure: (quick) =>
    measureDownsampling(
      quick
        ? { videoSeconds: 10, width: 640, height: 480, rounds: 1 }
        : { videoSeconds: 60, width: 1920, height: 1080, rounds: 7 },
    ),
  table: ({ rounds, videoSeconds, sourceBytes, width, height, bareMs, workerMs, overhead, startUpMs }) => [
    `${videoSeconds} s of ${width}x${height}, ${((sourceBytes * 8e-6) / videoSeconds).toFixed(0)} Mbit/s, to ${HEIGHT}p; medians of ${rounds} pairs`,
    ...formatTable([
      ['way', 'wall', 'against ffmpeg alone'],
      ['ffmpeg alone, local files', `${(bareMs / 1000).toFixed(2)} s`, ''],
      ['the task, over HTTP', `${(workerMs / 1000).toFixed(2)} s`, `${overhead < 0 ? '' : '+'}${(100 * overhead).toFixed(1)} %`],
      ['start-up of a worker, once', `${(startUpMs / 1000).toFixed(2)} s`, ''],
    ]),
  ],
  goals: ({ overhead, videoSeconds }) =>
    videoSeconds < 60
      ? []
      : [{ what: 'the worker on top of ffmpeg, a minute of 1080p', found: 100 * overhead, goal: 3, unit: '%', better: 'less' }],
};
