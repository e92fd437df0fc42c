/** A consumer with everything it needs around it: the proof at start, its turns, the sweep's timer, and a stop that loses nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { requireVariables } from '../config.ts';
import { createBucketWatch } from '../consumers/bucket-watch.ts';
import { createJobTurns } from '../consumers/job-turns.ts';
import { createMessageHandler } from '../consumers/message-handler.ts';
import { parseS3Notification } from '../consumers/notifications/s3.ts';
import { createSqsConsumer } from '../consumers/sqs.ts';
import { createSqsClient } from '../consumers/sqs-client.ts';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconcile } from '../pipeline/reconcile.ts';
import { sweep } from '../pipeline/sweep.ts';
import { proveConditionalCreate } from '../storage/conditional-create-proof.ts';
import { awsCredentials, createReconciler } from './deployment.ts';

export interface ConsumerProcess {
  /** Receives nothing more, finishes and acknowledges what runs, then resolves. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 25_000;

export interface ConsumerOptions {
  /** How long one poll is held open; a stop waits for the poll that is under way. */
  readonly waitTimeSeconds?: number;
}

/** Resolves once it receives. Throws where the settings are not right, or the bucket cannot hold claims. */
export async function startConsumer(config: Config, log: Logger, options: ConsumerOptions = {}): Promise<ConsumerProcess> {
  const { MILLRACE_QUEUE_URL: queueUrl } = requireVariables(config, ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY']);
  const reconciler = createReconciler(config, log);
  const { store, layout } = reconciler;
  await proveConditionalCreate(store, { prefix: layout.proofPrefix, random: reconciler.randomId });

  const turns = createJobTurns({
    concurrency: config.MILLRACE_CONCURRENCY,
    log,
    reconcile: async (job, signal) => {
      const { dispatched, cancelled, problems } = await reconcile(reconciler, job, signal);
      log.debug({ job, dispatched, cancelled, problems }, 'reconciled');
    },
  });
  const credentials = awsCredentials(config);
  const client = createSqsClient({
    endpoint: new URL(queueUrl).origin,
    region: config.MILLRACE_QUEUE_REGION ?? regionOf(queueUrl),
    ...(credentials === undefined ? {} : { credentials }),
  });
  const consumer = createSqsConsumer({
    client,
    queueUrl,
    ...(config.MILLRACE_DEAD_LETTER_QUEUE_URL === undefined ? {} : { deadLetterQueueUrl: config.MILLRACE_DEAD_LETTER_QUEUE_URL }),
    visibilityTimeoutSeconds: config.MILLRACE_VISIBILITY_TIMEOUT_SECONDS,
    handle: createMessageHandler({
      bucket: store.bucket,
      pipelinesPrefix: layout.pipelinesPrefix,
      parse: ({ body }) => parseS3Notification(body),
      turns,
      log,
      onFailure: (error) => watch.report(error),
    }),
    log,
    stopTimeoutMs: STOP_GRACE_MS,
    ...(options.waitTimeSeconds === undefined ? {} : { waitTimeSeconds: options.waitTimeSeconds }),
  });
  const watch = createBucketWatch({
    consumers: [consumer],
    probe: async (signal) => void (await store.head(`${layout.proofPrefix}probe`, signal)),
    log,
  });
  const stopSweeping = new AbortController();
  const sweeping = sweepOnTimer();
  consumer.start();
  log.info({ bucket: `${store.scheme}://${store.bucket}`, prefix: `${layout.pipelinesPrefix}/` }, 'consuming');

  async function sweepOnTimer(): Promise<void> {
    const { signal } = stopSweeping;
    while (!signal.aborted) {
      try {
        await sleep(config.MILLRACE_SWEEP_SECONDS * 1000, undefined, { signal });
        const report = await sweep({ ...reconciler, wake: (job) => turns.request(job, signal) }, signal);
        if (report.woken + report.settled + report.cleared > 0) log.info(report, 'swept');
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asMillraceError(thrown);
        log.error({ error }, 'the sweep failed; it is tried again');
        watch.report(error);
      }
    }
  }

  return {
    async stop() {
      stopSweeping.abort();
      await consumer.stop();
      await turns.close(STOP_GRACE_MS);
      await sweeping;
      await watch.close();
      client.destroy();
      log.info('the consumer has stopped');
    },
  };
}

/** `https://sqs.eu-west-1.amazonaws.com/…` says its region; another server takes any. */
function regionOf(queueUrl: string): string {
  return /^https?:\/\/sqs\.([a-z0-9-]+)\.amazonaws\./.exec(queueUrl)?.[1] ?? 'us-east-1';
}
