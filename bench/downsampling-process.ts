/**
 * The worker's part of the downsampling measurement, in a process of its own as a worker is: `node downsampling-process.ts <JSON>`, where
 * the JSON is a DownsamplingTask, prints a DownsamplingMeasured.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { downsampleArguments, downsampledSize } from '../handlers/ffmpeg/arguments/downsample.ts';
import { locate, type Tools } from '../handlers/ffmpeg/locate.ts';
import { probe } from '../handlers/ffmpeg/probe.ts';
import { createTaskRunner, type TaskRunner } from '../handlers/run-task.ts';
import { silentLogger } from '../log.ts';
import type { DownsamplingMeasured, DownsamplingTask } from './downsampling.ts';

const execute = promisify(execFile);
const task: DownsamplingTask = JSON.parse(process.argv[2] ?? '');

const startedAtMs = performance.now();
const tools = await locate();
const locatedMs = performance.now() - startedAtMs;
const runner = createTaskRunner({
  ...{ tools, workDir: join(task.directory, 'work'), allowHosts: [task.host], timeLimitSeconds: 600, log: silentLogger },
});
const provedAtMs = performance.now();
await runner.capabilities();
const startUpMs = locatedMs + performance.now() - provedAtMs;

const args = await bareArguments(tools, task);
const pairs: { bareMs: number; workerMs: number }[] = [];
// Files that have been read once are in memory for both.
await execute(tools.ffmpeg, args);
for (let round = 0; round < task.rounds; round++) {
  const bare = () => timeOf(() => execute(tools.ffmpeg, args));
  const worker = () => timeOf(() => runTask(runner, task));
  // By turns, so that a machine that grows slower favours neither.
  const isBareFirst = round % 2 === 0;
  const first = await (isBareFirst ? bare() : worker());
  const second = await (isBareFirst ? worker() : bare());
  pairs.push(isBareFirst ? { bareMs: first, workerMs: second } : { bareMs: second, workerMs: first });
}
await runner.close();
const measured: DownsamplingMeasured = { startUpMs, pairs };
process.stdout.write(`${JSON.stringify(measured)}\n`);

/** What the task itself gives to ffmpeg, but for where the input is. */
async function bareArguments({ ffprobe }: Tools, { file, directory, height }: DownsamplingTask): Promise<string[]> {
  const info = await probe({ file }, { ffprobe, signal: new AbortController().signal });
  const { video, audio } = info;
  if (video === undefined || audio === undefined) throw new Error('the video was not made');
  const made = {
    location: { file },
    video,
    size: downsampledSize(video, height),
    rung: 'cpu' as const,
    outputFile: join(directory, 'bare.mp4'),
    toneMaps: false,
  };
  return downsampleArguments({ ...made, sound: { audio, copied: true } });
}

async function runTask(worker: TaskRunner, { source, output, height }: DownsamplingTask): Promise<void> {
  const parameters = { original_video_uri: source, resolution: height, output_put_url: output };
  const scope = { requestId: 'bench', signal: new AbortController().signal, log: silentLogger, progress: () => {} };
  const answer = await worker.run({ task: 'DOWNSAMPLING', parameters }, scope);
  if (answer.kind === 'failed') throw answer.error;
  if (answer.kind !== 'succeeded' || answer.output.rung !== 'cpu') throw new Error('not made by the CPU');
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const beganAtMs = performance.now();
  await work();
  return performance.now() - beganAtMs;
}
