import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { isRunpodWorker } from '../../runpod/worker.ts';
import { openOwnSession, stopSignal } from '../session.ts';
import { runOneJob, serveRunpod } from '../worker-process.ts';

const TEST_INPUT_FILE = 'test_input.json';

export function addWorker(program: Command): void {
  program
    .command('worker')
    .description('Process tasks with ffmpeg: what the GPU container runs.')
    .option('--test_input <json>', `run one job without RunPod and print its answer; also read from ${TEST_INPUT_FILE} here`)
    .addHelpText(
      'after',
      `
In a RunPod container it takes jobs until SIGTERM. With a test input it exits 0 where the job succeeded, 1 where it failed.

Examples:
  $ millrace worker --test_input '{"input":{"task":"PING"}}'`,
    )
    .action(async ({ test_input: given }: { test_input?: string }) => {
      const { config, env, log, terminal } = openOwnSession('worker');
      const signal = stopSignal();
      const testInput = given ?? (isRunpodWorker(env) ? undefined : readTestInput());
      if (testInput === undefined) {
        process.exitCode = await serveRunpod(config, env, log, signal);
        return;
      }
      const { answerLine, exitCode } = await runOneJob(config, testInput, log, signal);
      terminal.print(answerLine);
      process.exitCode = exitCode;
    });
}

function readTestInput(): string | undefined {
  return existsSync(TEST_INPUT_FILE) ? readFileSync(TEST_INPUT_FILE, 'utf8') : undefined;
}
