/** Runs the demo: what it needs first, its steps, and how it ends, whichever way. */
import { join } from 'node:path';
import { type Config, readConfig } from '../../config.ts';
import { locate, type Tools } from '../../handlers/ffmpeg/locate.ts';
import { createLogger } from '../../log.ts';
import { EXIT } from '../exit-codes.ts';
import { failureLines } from './ending.ts';
import { prepareFolder } from './folder.ts';
import { openLogFile } from './log-file.ts';
import { formatSeconds } from './report.ts';
import { type Demo, type DemoOptions, perform } from './steps.ts';
import { missingLines } from './watch.ts';

/** The exit code, once everything has stopped: 0 only where every output is right. Throws what keeps the demo from starting. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startedAtMs = Date.now();
  const { folder, terminal, signal, timeLimitMs } = options;
  const config = readConfig(options.env);
  const tools = await findTools(config);
  await prepareFolder(folder);
  const logFile = openLogFile(join(folder, 'demo.log'));
  const limit = AbortSignal.timeout(timeLimitMs);
  const failure = new AbortController();
  const demo: Demo = {
    ...options,
    ...{ tools, logFile, startedAtMs },
    log: createLogger({ level: config.MILLRACE_LOG_LEVEL, name: 'demo', stream: logFile }),
    workSignal: AbortSignal.any([signal, limit, failure.signal]),
    giveUp: (reason) => failure.abort(reason),
    stops: [],
    looks: [],
  };
  try {
    return (await perform(demo)) ? EXIT.ok : EXIT.failed;
  } catch (thrown) {
    if (signal.aborted) {
      terminal.note('Stopped before the end.');
      return signal.reason === 'SIGTERM' ? 143 : 130;
    }
    // Until the jobs are written, what is wrong is this machine or the command line: no job has failed.
    if (!limit.aborted && demo.looks.length === 0) throw thrown;
    const reason = limit.aborted
      ? `The demo did not end within ${formatSeconds(timeLimitMs)}.`
      : (failure.signal.reason ?? thrown);
    const missing = demo.looks.flatMap(({ plan }) => missingLines(plan));
    for (const line of failureLines(reason, missing, logFile, terminal)) terminal.note(line);
    return EXIT.failed;
  } finally {
    for (const stop of demo.stops.reverse()) await stop();
    logFile.close();
  }
}

async function findTools({ FFMPEG_PATH: ffmpegPath, FFPROBE_PATH: ffprobePath }: Config): Promise<Tools> {
  return locate({
    ...(ffmpegPath === undefined ? {} : { ffmpegPath }),
    ...(ffprobePath === undefined ? {} : { ffprobePath }),
  });
}
