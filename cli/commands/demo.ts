import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { runDemo } from '../demo/demo.ts';
import { QUEUE_KINDS, type QueueKind } from '../local-queue.ts';
import { wholeNumber } from '../number-argument.ts';
import { dataDir, stopSignal } from '../session.ts';
import { createTerminal } from '../terminal.ts';

const DEFAULT_WORKERS = 2;
const TIME_LIMIT_MS = 10 * 60_000;
/** Nothing else of the shell's settings: the demo has a deployment of its own. */
const SETTINGS = ['FFMPEG_PATH', 'FFPROBE_PATH', 'MILLRACE_FONTS_DIR', 'MILLRACE_LOG_LEVEL'] as const;

interface DemoCommandOptions {
  readonly data?: string;
  readonly port: number;
  readonly queue: QueueKind;
  readonly workers: number;
  readonly keep?: true;
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('Make media, send it through the whole loop on this machine, and check what comes out.')
    .option('--data <dir>', "where everything lies; emptied at each start (default: demo in MILLRACE_DATA's folder)")
    .option(
      '--port <n>',
      'the port of the bucket; queue and endpoint take the next two; 0 picks free ones',
      wholeNumber(0, 65_533),
      0,
    )
    .addOption(
      new Option('--queue <kind>', 'which queue: pubsub needs Google\u2019s emulator installed')
        .choices(QUEUE_KINDS)
        .default('sqs'),
    )
    .option('--workers <n>', 'how many worker processes', wholeNumber(1, 64), DEFAULT_WORKERS)
    .option('--keep', 'leave everything running afterwards, until Ctrl-C')
    .addHelpText(
      'after',
      `
Needs no cloud, no account and no GPU. Takes about a minute; all that it makes stays in .millrace/demo to be looked at.
Exits 0 where every output is right, 1 where one is not.

Examples:
  $ millrace demo
  $ millrace demo --keep
  $ millrace demo --queue cloudflare
  $ FFMPEG_PATH=/opt/ffmpeg/bin/ffmpeg millrace demo --data /tmp/demo`,
    )
    .action(async ({ data, port, queue, workers, keep }: DemoCommandOptions) => {
      const env = Object.fromEntries(SETTINGS.map((name) => [name, process.env[name]]));
      process.exitCode = await runDemo({
        folder: resolve(data ?? join(dataDir(process.env), 'demo')),
        ...{ port, queue, workers, env },
        keep: keep === true,
        terminal: createTerminal(process.stdout, process.stderr),
        signal: stopSignal(),
        timeLimitMs: TIME_LIMIT_MS,
      });
    });
}
