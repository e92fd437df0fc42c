import type { Command } from 'commander';
import { startConsumer } from '../consumer-process.ts';
import { aborted, openSession, stopSignal } from '../session.ts';

export function addConsume(program: Command): void {
  program
    .command('consume')
    .description('Receive events from the queue and dispatch what they make possible, until SIGTERM.')
    .addHelpText(
      'after',
      `
Needs VIDEOS_BUCKET, S3_ENDPOINT_URL, keys, MILLRACE_QUEUE_URL, RUNPOD_ENDPOINT and RUNPOD_API_KEY.
SIGTERM: receives nothing more, finishes and acknowledges what runs, then exits 0.

Examples:
  $ millrace consume
  $ MILLRACE_LOG_LEVEL=debug millrace consume`,
    )
    .action(async () => {
      const { config, log } = openSession('consumer');
      const signal = stopSignal();
      const consumer = await startConsumer(config, log);
      await aborted(signal);
      await consumer.stop();
    });
}
