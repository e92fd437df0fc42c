/** Metrics and health of one consumer, where the settings give them an address; nothing of it is loaded elsewhere. */
import type { Registry } from 'prom-client';
import type { Config } from '../config.ts';
import type { ObserveConsumer } from '../consumers/observer.ts';
import type { ConsumerStatus } from '../consumers/queue-message.ts';
import type { QueueDepth } from '../consumers/sqs-depth.ts';
import type { Watchdog } from '../consumers/watchdog.ts';
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { JobPlanner } from '../pipeline/job-plan.ts';
import { readVersion } from './version.ts';

export interface ConsumerParts {
  readonly kind: string;
  readonly consumer: { status(): ConsumerStatus };
  readonly watchdog: Watchdog;
  readonly isBucketReachable: () => boolean;
  readonly turns: { status(): { readonly running: number; readonly waiting: number } };
  readonly queueDepth: (() => Promise<QueueDepth>) | undefined;
}

export interface ConsumerMetrics {
  readonly registry: Registry;
  readonly observe: ObserveConsumer;
  /** Begins to listen. Throws CONFIG_INVALID where the address cannot be listened on. */
  serve(parts: ConsumerParts): Promise<string>;
  close(): Promise<void>;
}

/** A bucket that takes longer than this to answer a HEAD is not ready. */
const PROBE_TIMEOUT_MS = 3_000;

export async function createConsumerMetrics(
  config: Config,
  { graph, settings, store, layout }: JobPlanner,
  log: Logger,
): Promise<ConsumerMetrics | undefined> {
  const address = config.MILLRACE_HEALTH_ADDRESS;
  if (address === undefined) return undefined;
  const [{ createMetrics }, { addConsumerGauges }, { startHealthServer }] = await Promise.all([
    import('../telemetry/metrics.ts'),
    import('../telemetry/consumer-gauges.ts'),
    import('../telemetry/health-server.ts'),
  ]);
  const { registry, observe } = createMetrics({
    stages: graph.stages.filter(({ external }) => external !== true).map(({ name }) => name),
    endpoints: ['default', ...settings.endpoints],
    prices: config.MILLRACE_GPU_PRICE_PER_SECOND ?? {},
    version: readVersion(),
    log,
  });
  let close = async () => {};

  /** Nobody need be there; whoever answers at all can be reached. */
  async function bucketFault(): Promise<readonly string[]> {
    try {
      await store.head(`${layout.proofPrefix}probe`, AbortSignal.timeout(PROBE_TIMEOUT_MS));
      return [];
    } catch (thrown) {
      const { code } = asMillraceError(thrown);
      return [`the bucket ${store.scheme}://${store.bucket} cannot be read (${code})`];
    }
  }

  return {
    registry,
    observe,
    async serve({ kind, consumer, watchdog, isBucketReachable, turns, queueDepth }) {
      addConsumerGauges(registry, {
        consumer: () => consumer.status(),
        isStalled: () => !watchdog.isHealthy(),
        isBucketReachable,
        turns: () => turns.status(),
        queueDepth,
      });
      const live = () => {
        const silentMs = watchdog.stalledForMs();
        return silentMs === undefined ? [] : [`the queue (${kind}) has not answered for ${Math.round(silentMs / 1000)} s`];
      };
      const checks = { live, ready: async () => [...live(), ...queueFaults(kind, consumer.status()), ...(await bucketFault())] };
      const server = await startHealthServer(address, { checks, registry }, log);
      close = () => server.close();
      log.info({ url: server.url }, 'health and metrics are served');
      return server.url;
    },
    close: () => close(),
  };
}

function queueFaults(kind: string, { running, paused, lastPollMs, failedPolls }: ConsumerStatus): readonly string[] {
  if (!running) return ['the consumer does not run'];
  if (paused) return ['nothing is received: the bucket could not be used'];
  if (failedPolls > 0) return [`the queue (${kind}) has refused or not answered ${failedPolls} polls in a row`];
  // Where every poller waits for its first messages, a long poll has to end first.
  return lastPollMs === undefined ? [`the queue (${kind}) has not answered yet`] : [];
}
