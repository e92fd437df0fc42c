/** A consumer with everything it needs around it: the proof at start, its turns, the sweep's timer, and a stop that loses nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { type Config, requireVariables } from '../config.ts';
import { createBucketWatch } from '../consumers/bucket-watch.ts';
import { createJobTurns } from '../consumers/job-turns.ts';
import { createMessageHandler } from '../consumers/message-handler.ts';
import { parseNotification } from '../consumers/notifications/notification.ts';
import { createResultCounter } from '../consumers/result-counter.ts';
import { createWatchdog } from '../consumers/watchdog.ts';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { reconcile } from '../pipeline/reconcile.ts';
import { sweep } from '../pipeline/sweep.ts';
import { proveConditionalCreate } from '../storage/conditional-create-proof.ts';
import { untraced } from '../trace.ts';
import { createConsumerMetrics } from './consumer-metrics.ts';
import { createConsumerQueue, queueAttributes } from './consumer-queue.ts';
import { createReconciler } from './deployment.ts';
import { requireQueues } from './queue-check.ts';
import { startTracing } from './tracing.ts';
import { createWakeUps } from './wake-ups.ts';

export interface ConsumerProcess {
  /** Where health and metrics are served; undefined where the settings name no address. */
  readonly healthUrl: string | undefined;
  /** What it counts, where it does. */
  readonly registry: Registry | undefined;
  /** Receives nothing more, finishes and acknowledges what runs, then resolves. */
  stop(): Promise<void>;
}

const STOP_GRACE_MS = 25_000;

export interface ConsumerOptions {
  /** How long one poll is held open; a stop waits for the poll that is under way. */
  readonly waitTimeSeconds?: number;
  /** How long its queue may be silent before the watchdog calls it stalled; must be longer than a poll. */
  readonly maxSilenceMs?: number;
}

/** Resolves once it receives. Throws where the settings are not right, or the bucket cannot hold claims. */
export async function startConsumer(config: Config, log: Logger, options: ConsumerOptions = {}): Promise<ConsumerProcess> {
  // All at once: whoever sets up a consumer must not learn of them one start after the other.
  requireVariables(config, ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY']);
  const unobserved = createReconciler(config, log);
  await requireQueues(config, log);
  const tracing = await startTracing(config, 'consumer', log);
  const metrics = await createConsumerMetrics(config, unobserved, log);
  const reconciler = { ...unobserved, trace: tracing, observe: metrics?.observe };
  const { store, layout } = reconciler;
  const results = metrics === undefined ? undefined : createResultCounter({ store, layout, observe: metrics.observe, log });
  const queue = await createConsumerQueue(config, {
    handle: createMessageHandler({
      bucket: store.bucket,
      pipelinesPrefix: layout.pipelinesPrefix,
      parse: parseNotification,
      turns: { request: (job, signal) => turns.request(job, signal) },
      log,
      onFailure: (error) => watch.report(error),
      observe: metrics?.observe,
      onEvent: results?.see,
      trace: tracing,
      queueAttributes: queueAttributes(config),
    }),
    log,
    stopTimeoutMs: STOP_GRACE_MS,
    onDeadLetter: ({ code }) => metrics?.observe('message dead-lettered', { code }),
    ...(options.waitTimeSeconds === undefined ? {} : { waitTimeSeconds: options.waitTimeSeconds }),
  });
  const { consumer } = queue;
  const turns = createJobTurns({
    concurrency: config.MILLRACE_CONCURRENCY,
    log,
    trace: tracing,
    observe: metrics?.observe,
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
  const watchdog = createWatchdog({
    ...{ name: queue.kind, consumer, log },
    ...(options.maxSilenceMs === undefined ? {} : { maxSilenceMs: options.maxSilenceMs }),
  });
  let healthUrl: string | undefined;
  try {
    await proveConditionalCreate(store, { prefix: layout.proofPrefix, random: reconciler.randomId });
    healthUrl = await metrics?.serve({
      ...{ kind: queue.kind, consumer, watchdog, turns, queueDepth: queue.depth },
      isBucketReachable: () => watch.isReachable(),
    });
  } catch (thrown) {
    watchdog.close();
    await queue.close();
    await tracing?.close();
    throw thrown;
  }
  const stopSweeping = new AbortController();
  const sweeping = sweepOnTimer();
  consumer.start();
  log.info({ queue: queue.kind, bucket: `${store.scheme}://${store.bucket}`, prefix: `${layout.pipelinesPrefix}/` }, 'consuming');

  async function sweepOnTimer(): Promise<void> {
    const { signal } = stopSweeping;
    const wake = (job: string) => turns.request(job, signal);
    while (!signal.aborted) {
      try {
        await sleep(config.MILLRACE_SWEEP_SECONDS * 1000, undefined, { signal });
        const source = { ...reconciler, auditMinutes: config.MILLRACE_AUDIT_MINUTES, wake };
        const report = await (tracing ?? untraced).span('sweep', { parent: null }, () => sweep(source, signal));
        metrics?.observe('sweep tried', { outcome: report.swept ? 'swept' : 'elsewhere' });
        if (report.woken + report.settled + report.cleared + (report.audited ?? 0) > 0) log.info(report, 'swept');
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asMillraceError(thrown);
        metrics?.observe('sweep tried', { outcome: 'failed' });
        log.error({ error }, 'the sweep failed; it is tried again');
        watch.report(error);
      }
    }
  }

  return {
    healthUrl,
    registry: metrics?.registry,
    async stop() {
      stopSweeping.abort();
      watchdog.close();
      wakeUps.close();
      await consumer.stop();
      await turns.close(STOP_GRACE_MS);
      await sweeping;
      await watch.close();
      await queue.close();
      await results?.drain();
      await metrics?.close();
      await tracing?.close();
      log.info('the consumer has stopped');
    },
  };
}
