/**
 * One way of the trims measurement, in a process of its own as a worker is: `node trims-process.ts <JSON>`, where the JSON is a
 * TrimsTask, prints a TrimsMeasured.
 */
import { mkdir, rm } from 'node:fs/promises';
import { locate } from '../handlers/ffmpeg/locate.ts';
import { createTaskRunner } from '../handlers/run-task.ts';
import { silentLogger } from '../log.ts';
import { trimNaively } from './naive-way.ts';
import { BATCH_SIZE, SEGMENT_SECONDS, type TrimsMeasured, type TrimsTask } from './trims.ts';

const TIME_LIMIT_SECONDS = 600;
const MEMORY_INTERVAL_MS = 20;

const task: TrimsTask = JSON.parse(process.argv[2] ?? '');
await mkdir(task.directory);
const measured = await (task.way === 'naive' ? runNaively(task) : runTasks(task));
await rm(task.directory, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify(measured)}\n`);

async function runNaively({ directory, source, output, starts }: TrimsTask): Promise<TrimsMeasured> {
  const { ffmpeg } = await locate();
  return measure(async () => {
    for (const [index, startSeconds] of starts.entries()) {
      const place = { startSeconds, durationSeconds: SEGMENT_SECONDS };
      await trimNaively({ ffmpeg, directory, sourceUrl: source, uploadUrl: `${output}${index}`, ...place });
    }
  });
}

/** One run after the other, as a worker with one place takes them. */
async function runTasks({ way, directory, source, output, host, starts }: TrimsTask): Promise<TrimsMeasured> {
  const segments = starts.map((startSeconds, index) => ({
    source_uri: source,
    start_sec: startSeconds,
    duration_sec: SEGMENT_SECONDS,
    output_put_url: `${output}${index}.wav`,
  }));
  const size = way === 'singles' ? 1 : BATCH_SIZE;
  const tools = await locate();
  const limits = { allowHosts: [host], timeLimitSeconds: TIME_LIMIT_SECONDS };
  const runner = createTaskRunner({ tools, workDir: directory, ...limits, log: silentLogger });
  try {
    return await measure(async () => {
      for (let first = 0; first < segments.length; first += size) {
        const batch = segments.slice(first, first + size);
        const input = { task: 'AUDIO_TRIM', parameters: size === 1 ? batch[0] : { segments: batch } };
        const signal = new AbortController().signal;
        const answer = await runner.run(input, { requestId: `bench-${first}`, signal, log: silentLogger, progress: () => {} });
        if (answer.kind === 'failed') throw answer.error;
        if (answer.kind !== 'succeeded' || (answer.output.failed ?? 0) !== 0) throw new Error('A segment was not cut.');
      }
    });
  } finally {
    await runner.close();
  }
}

async function measure(work: () => Promise<void>): Promise<TrimsMeasured> {
  const beforeBytes = process.memoryUsage.rss();
  let peakBytes = beforeBytes;
  const look = () => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  };
  const timer = setInterval(look, MEMORY_INTERVAL_MS);
  const startedAtMs = performance.now();
  try {
    await work();
    look();
    return { wallMs: performance.now() - startedAtMs, rssGrowthBytes: peakBytes - beforeBytes };
  } finally {
    clearInterval(timer);
  }
}
