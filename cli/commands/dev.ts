import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { createLogger } from '../../log.ts';
import { QUEUE_KINDS, type QueueKind } from '../local-queue.ts';
import { type LocalStack, startLocalStack } from '../local-stack.ts';
import { wholeNumber } from '../number-argument.ts';
import { aborted, dataDir, openOwnSession, stopSignal } from '../session.ts';

/** The bucket's; the queue, the endpoint and the API take the next three. */
const DEFAULT_PORT = 9100;
const DEFAULT_WORKERS = 2;

interface DevOptions {
  readonly port: number;
  readonly queue: QueueKind;
  readonly workers: number;
  readonly consumer: boolean;
  readonly json?: true;
}

export function addDev(program: Command): void {
  program
    .command('dev')
    .description('Everything on this machine, on loopback: bucket, queue, RunPod endpoint, workers, a consumer and the API.')
    .option(
      '--port <n>',
      'the port of the bucket; queue, endpoint and API take the next three; 0 picks free ones',
      wholeNumber(0, 65_532),
      DEFAULT_PORT,
    )
    .addOption(
      new Option('--queue <kind>', 'which queue: pubsub needs Google\u2019s emulator installed')
        .choices(QUEUE_KINDS)
        .default('sqs'),
    )
    .option('--workers <n>', 'how many worker processes', wholeNumber(0, 64), DEFAULT_WORKERS)
    .option('--no-consumer', 'without a consumer: start `millrace consume` yourself')
    .option('--json', 'print one line of JSON once everything is ready')
    .addHelpText(
      'after',
      `
Keeps its data in .millrace/ (MILLRACE_DATA for another place); objects lie in .millrace/bucket/videos as plain files.
Other commands find it by themselves while it runs. Ctrl-C stops it; what was queued or running goes on at the next start.

Examples:
  $ millrace dev
  $ millrace dev --queue cloudflare
  $ millrace dev --port 0 --json`,
    )
    .action(async ({ port, queue, workers, consumer, json }: DevOptions) => {
      const { config, env, terminal } = openOwnSession('dev');
      const log = createLogger({ level: config.MILLRACE_LOG_LEVEL, name: 'dev' });
      const signal = stopSignal();
      const stack = await startLocalStack({ dataDir: resolve(dataDir(env)), port, queue, workers, consume: consumer, env, log });
      if (json) terminal.print(JSON.stringify(stack.description));
      else for (const line of welcome(stack)) terminal.print(line);
      await aborted(signal);
      await stack.stop();
    });
}

function welcome({ description: { bucket, queue, runpod, api }, bucketFolder, healthUrl }: LocalStack): string[] {
  return [
    'Millrace is running on this machine.',
    '',
    `  bucket   ${bucket.endpoint}  s3://${bucket.name}  region ${bucket.region}`,
    `           objects as files: ${bucketFolder}`,
    `  queue    ${queue.url}`,
    `  dead     ${queue.deadLetterUrl}`,
    `  RunPod   ${runpod.url}  key ${runpod.apiKey}`,
    `  API      ${api.url}  token ${api.token}`,
    ...(healthUrl === undefined ? [] : [`  metrics  ${healthUrl}/metrics`]),
    '',
    'Write a file into a job:',
    '',
    '  npx millrace submit talk-1 talk.m4a segments.json',
    '',
    'or with any S3 client:',
    '',
    `  export AWS_ACCESS_KEY_ID=${bucket.accessKeyId} AWS_SECRET_ACCESS_KEY=${bucket.secretAccessKey} AWS_DEFAULT_REGION=${bucket.region}`,
    `  aws --endpoint-url ${bucket.endpoint} s3 cp talk.m4a s3://${bucket.name}/pipelines/talk-1/inputs/audio/master.m4a`,
    `  aws --endpoint-url ${bucket.endpoint} s3 cp segments.json s3://${bucket.name}/pipelines/talk-1/stage/segmentation/segments.json`,
    '',
    `and watch it: npx millrace status talk-1 --watch, or open ${api.url} in a browser (the token signs you in)`,
    'Ctrl-C stops everything.',
  ];
}
