/** A consumer with everything it needs around it: the proof at start, its turns, the sweep's timer, and a stop that loses nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, requireVariables } from '../config.ts';
import { createBucketWatch } from '../consumers/bucket-watch.ts';
import { createJobTurns } from '../consumers/job-turns.ts';
import { createMessageHandler } from '../consumers/message-handler.ts';
import { parseNotification } from '../consumers/notifications/notification.ts';
import { createWatchdog } from '../consumers/watchdog.ts';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconcile } from '../pipeline/reconcile.ts';
import { sweep } from '../pipeline/sweep.ts';
import { proveConditionalCreate } from '../storage/conditional-create-proof.ts';
import { createConsumerQueue } from './consumer-queue.ts';
import { createReconciler } from './deployment.ts';
import { requireQueues } from './queue-check.ts';
import { createWakeUps } from './wake-ups.ts';

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
  // All at once: whoever sets up a consumer must not learn of them one start after the other.
  requireVariables(config, ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY']);
  const reconciler = createReconciler(config, log);
  const { store, layout } = reconciler;
  await requireQueues(config, log);
  const queue = await createConsumerQueue(config, {
    handle: createMessageHandler({
      bucket: store.bucket,
      pipelinesPrefix: layout.pipelinesPrefix,
      parse: parseNotification,
      turns: { request: (job, signal) => turns.request(job, signal) },
      log,
      onFailure: (error) => watch.report(error),
    }),
    log,
    stopTimeoutMs: STOP_GRACE_MS,
    ...(options.waitTimeSeconds === undefined ? {} : { waitTimeSeconds: options.waitTimeSeconds }),
  });
  const { consumer } = queue;
  const turns = createJobTurns({
    concurrency: config.MILLRACE_CONCURRENCY,
    log,
    reconcile: async (job, signal) => {
      const { dispatched, cancelled, problems, wake, retryAtMs } = await reconcile(reconciler, job, signal);
      log.debug({ job, dispatched, cancelled, problems }, 'reconciled');
      wakeUps.remember(job, retryAtMs);
      for (const other of wake) wakeUps.now(other);
    },
  });
  const wakeUps = createWakeUps({ wake: (job) => turns.request(job), now: Date.now, log });
  const watch = createBucketWatch({
    consumers: [consumer],
    // A bucket that can be read and not written is no bucket to work with.
    probe: async (signal) => void (await store.put(`${layout.proofPrefix}probe`, reconciler.consumerId, { signal })),
    log,
  });
  try {
    await proveConditionalCreate(store, { prefix: layout.proofPrefix, random: reconciler.randomId });
  } catch (thrown) {
    await queue.close();
    throw thrown;
  }
  const stopSweeping = new AbortController();
  const sweeping = sweepOnTimer();
  consumer.start();
  const watchdog = createWatchdog({ name: queue.kind, consumer, log });
  log.info({ queue: queue.kind, bucket: `${store.scheme}://${store.bucket}`, prefix: `${layout.pipelinesPrefix}/` }, 'consuming');

  async function sweepOnTimer(): Promise<void> {
    const { signal } = stopSweeping;
    const wake = (job: string) => turns.request(job, signal);
    while (!signal.aborted) {
      try {
        await sleep(config.MILLRACE_SWEEP_SECONDS * 1000, undefined, { signal });
        const report = await sweep({ ...reconciler, auditMinutes: config.MILLRACE_AUDIT_MINUTES, wake }, signal);
        if (report.woken + report.settled + report.cleared + (report.audited ?? 0) > 0) log.info(report, 'swept');
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
      watchdog.close();
      wakeUps.close();
      await consumer.stop();
      await turns.close(STOP_GRACE_MS);
      await sweeping;
      await watch.close();
      await queue.close();
      log.info('the consumer has stopped');
    },
  };
}
