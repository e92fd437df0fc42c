import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { isRunpodWorker } from '../../runpod/worker.ts';
import { EXIT } from '../exit-codes.ts';
import { openOwnSession, stopSignal } from '../session.ts';
import { runOneJob, serveRunpod } from '../worker-process.ts';

const TEST_INPUT_FILE = 'test_input.json';
/** What the runner exits with, as RunPod's own workers do, where the test input is none. */
const NO_TEST_INPUT = 2;
/** What still runs then has lost its bucket: it is not worth waiting for. */
const ORPHAN_GRACE_MS = 5_000;

export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('Process tasks with ffmpeg: what the GPU container runs.')
    .option('--test_input <json>', `run one job without RunPod and print its answer; also read from ${TEST_INPUT_FILE} here`)
    .addHelpText(
      'after',
      `
In a RunPod container it takes jobs until SIGTERM. With a test input it exits 0 where the job succeeded, 1 where it failed,
64 where the input is none.

Examples:
  $ millrace worker --test_input '{"input":{"task":"PING"}}'`,
    )
    .action(async ({ test_input: given }: { test_input?: string }) => {
      const { config, env, log, terminal } = openOwnSession('worker');
      const signal = stopSignal();
      endWithParent();
      const testInput = given ?? (isRunpodWorker(env) ? undefined : readTestInput());
      if (testInput === undefined) {
        process.exitCode = await serveRunpod(config, env, log, signal);
        return;
      }
      const { answerLine, exitCode } = await runOneJob(config, testInput, log, signal);
      terminal.print(answerLine);
      process.exitCode = exitCode === NO_TEST_INPUT ? EXIT.usage : exitCode;
    });
}

/**
 * `millrace dev` starts its workers with a channel that closes when it is gone, even killed. Without this they would
 * ask a dead endpoint for jobs for ever, or a later `millrace dev` under the names of its own workers.
 */
function endWithParent(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.exit(EXIT.failed), ORPHAN_GRACE_MS).unref();
  });
  process.channel?.unref();
}

function readTestInput(): string | undefined {
  return existsSync(TEST_INPUT_FILE) ? readFileSync(TEST_INPUT_FILE, 'utf8') : undefined;
}
