/**
 * What a consumer counts, for Prometheus. Base units in the names, and no job, item or key in a label: their number has no bound, and
 * that of a label's values must have one. docs/metrics.md is made from the registry.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ConsumerEvents, ObserveConsumer } from '../consumers/observer.ts';
import { asMillraceError, type ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import { RESULT_STATUSES } from '../manifests/result.ts';
import { gpuSecondsOf, type Prices, priceOf } from '../pipeline/cost.ts';
import type { MeasuredResult } from '../pipeline/measured-result.ts';

export interface MetricsOptions {
  /** Of the deployment's own pipeline. Stages that a job brings itself are counted as `other`: their names have no bound. */
  readonly stages: readonly string[];
  /** That the settings name, `default` among them. */
  readonly endpoints: readonly string[];
  readonly prices: Prices;
  readonly version: string;
  readonly log: Logger;
}

export interface Metrics {
  readonly registry: Registry;
  readonly observe: ObserveConsumer;
}

/** A text that Prometheus reads, and what it is. */
export interface MetricsPage {
  readonly contentType: string;
  readonly body: string;
}

export async function metricsPage(registry: Registry): Promise<MetricsPage> {
  return { contentType: registry.contentType, body: await registry.metrics() };
}

const OTHER = 'other';
/** From a glance at an empty job to one with 100,000 items on a slow bucket. */
const LOOK_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** From at once to what a queue keeps. */
const AGE_BUCKETS = [0.1, 0.5, 1, 2, 5, 15, 60, 300, 900, 3600, 21_600, 86_400, 345_600];
/** Media seconds per second of work: slower than it plays, to a copy. */
const SPEED_BUCKETS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250, 1000];

/** Codes with which messages go to the dead letters: there from the start, or the first of each would be no increase. */
const DEAD_LETTER_CODES: readonly ErrorCode[] = [
  'MESSAGE_NOT_JSON',
  'MESSAGE_NOT_NOTIFICATION',
  'BUCKET_NOT_ALLOWED',
  'STORE_UNREACHABLE',
  'STORE_FORBIDDEN',
  'STORE_ERROR',
  'INTERNAL',
];

type Listeners = { readonly [E in keyof ConsumerEvents]: (about: ConsumerEvents[E]) => void };

export function createMetrics(options: MetricsOptions): Metrics {
  const { prices, log } = options;
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string = never>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram({ name, help, buckets, labelNames, registers });

  collectDefaultMetrics({ register: registry });
  gauge('millrace_build_info', '1, with the version that runs.', 'version').set({ version: options.version }, 1);

  const messages = counter(
    'millrace_messages_total',
    'Messages worked on, by how they ended: done, retry or dead-letter.',
    'outcome',
  );
  const messageAge = histogram(
    'millrace_message_age_seconds',
    'From the sending of a message until a consumer began with it, retries and outages included.',
    AGE_BUCKETS,
  );
  const events = counter(
    'millrace_events_total',
    'Object events read, by the store they come from and what they were: about a job, ignored, or refused.',
    'source',
    'outcome',
  );
  const deadLetters = counter(
    'millrace_dead_letters_total',
    'Messages that this consumer put into the dead-letter queue, by error code. What the queue moves by itself is not in it.',
    'code',
  );
  const reconciles = histogram(
    'millrace_reconcile_duration_seconds',
    'How long looks at a job took, by how they ended: succeeded, failed or stopped.',
    LOOK_BUCKETS,
    'outcome',
  );
  const reconcileFailures = counter('millrace_reconcile_failures_total', 'Looks at a job that failed, by error code.', 'code');
  const runs = counter(
    'millrace_dispatches_total',
    'Runs asked of RunPod, by stage and outcome: dispatched, refused, uncertain, failed; lost ones another consumer had claimed.',
    'stage',
    'outcome',
  );
  const items = counter('millrace_dispatched_items_total', 'Items in the runs that RunPod took.', 'stage');
  const inFlight = gauge(
    'millrace_runs_in_flight',
    'Runs queued or running by endpoint, of all consumers together, as this one counted them last. Nothing without a ceiling.',
    'endpoint',
  );
  const problems = counter('millrace_problems_total', 'Problem objects written, by error code.', 'code');
  const webhooks = counter(
    'millrace_webhooks_total',
    'Attempts to send a webhook, by its event and outcome.',
    'event',
    'outcome',
  );

  const attempts = counter(
    'millrace_attempts_total',
    'Attempts that ended, by stage and the status of their result.',
    'stage',
    'status',
  );
  const failures = counter('millrace_failures_total', 'Failed attempts, by stage and error code.', 'stage', 'code');
  const bytesRead = counter(
    'millrace_read_bytes_total',
    'Bytes of inputs that workers read, for attempts that succeeded.',
    'stage',
  );
  const bytesWritten = counter('millrace_written_bytes_total', 'Bytes of outputs that workers wrote.', 'stage');
  const mediaSeconds = counter('millrace_media_seconds_total', 'How long the outputs play.', 'stage');
  const workerSeconds = counter(
    'millrace_worker_seconds_total',
    'Wall time of items in workers. Items of one run overlap: millrace_gpu_seconds_total adds up.',
    'stage',
  );
  const speed = histogram(
    'millrace_media_speed_ratio',
    'Media seconds made per second of work, by output.',
    SPEED_BUCKETS,
    'stage',
  );
  const gpuSeconds = counter('millrace_gpu_seconds_total', 'Seconds that workers were at runs.', 'stage', 'endpoint');
  const gpuCost = counter(
    'millrace_gpu_cost_dollars_total',
    'These seconds times MILLRACE_GPU_PRICE_PER_SECOND: an estimate without starts and idle time. Nothing without a price.',
    'stage',
    'endpoint',
  );
  const skipped = counter(
    'millrace_results_skipped_total',
    'Results that were not counted, and why: busy or unreadable.',
    'reason',
  );

  const sweepTries = counter(
    'millrace_sweeps_total',
    'Tries for the sweep: swept, elsewhere (another consumer had that minute), failed.',
    'outcome',
  );
  const sweepDuration = histogram('millrace_sweep_duration_seconds', 'How long sweeps took.', LOOK_BUCKETS);
  const lastSweep = gauge('millrace_sweep_last_success_timestamp_seconds', 'When this consumer last ended a sweep.');
  const sweepWork = counter(
    'millrace_sweep_work_total',
    'What sweeps did: jobs woken, claims settled on their run’s behalf, claims cleared away.',
    'kind',
  );
  const audits = counter('millrace_audits_total', 'Audits that this consumer made.');
  const auditedJobs = counter('millrace_audited_jobs_total', 'Jobs that audits looked at.');
  const lastAudit = gauge('millrace_audit_last_success_timestamp_seconds', 'When this consumer last ended an audit.');
  const stuckRuns = gauge(
    'millrace_endpoint_stuck_runs',
    'Runs that waited at RunPod past their patience when this consumer last swept.',
    'endpoint',
  );
  const endpointWorkers = gauge(
    'millrace_endpoint_workers',
    'Workers by state, as RunPod says; asked only while runs are stuck.',
    'endpoint',
    'state',
  );
  const endpointJobs = gauge(
    'millrace_endpoint_jobs',
    'Jobs by state, as RunPod says; asked only while runs are stuck.',
    'endpoint',
    'state',
  );

  const knownStages = new Set(options.stages);
  const knownEndpoints = new Set(options.endpoints);
  const stageLabel = (stage: string) => (knownStages.has(stage) ? stage : OTHER);
  const endpointLabel = (endpoint: string) => (knownEndpoints.has(endpoint) ? endpoint : OTHER);
  /** Since the last sweep ended. */
  let stuckNow = new Set<string>();

  for (const code of DEAD_LETTER_CODES) deadLetters.inc({ code }, 0);
  for (const stage of [...knownStages, OTHER]) for (const status of RESULT_STATUSES) attempts.inc({ stage, status }, 0);
  for (const endpoint of knownEndpoints) stuckRuns.set({ endpoint }, 0);

  function countResult(result: MeasuredResult): void {
    const stage = stageLabel(result.stage);
    const endpoint = endpointLabel(result.endpoint);
    attempts.inc({ stage, status: result.status });
    if (result.status === 'refused') return;
    if (result.status === 'failed') failures.inc({ stage, code: result.code ?? 'OTHER' });
    bytesRead.inc({ stage }, result.bytesRead ?? 0);
    bytesWritten.inc({ stage }, result.bytesWritten ?? 0);
    mediaSeconds.inc({ stage }, result.mediaSeconds ?? 0);
    workerSeconds.inc({ stage }, result.workerSeconds ?? 0);
    const { mediaSeconds: made, workerSeconds: took } = result;
    if (made !== undefined && took !== undefined && took > 0) speed.observe({ stage }, made / took);
    const seconds = gpuSecondsOf(result);
    gpuSeconds.inc({ stage, endpoint }, seconds);
    const price = priceOf(prices, result.endpoint);
    if (price > 0) gpuCost.inc({ stage, endpoint }, seconds * price);
  }

  const listeners: Listeners = {
    'message handled': ({ outcome, ageMs }) => {
      messages.inc({ outcome });
      if (ageMs !== undefined) messageAge.observe(ageMs / 1000);
    },
    'event read': ({ source, outcome }) => events.inc({ source, outcome }),
    'message dead-lettered': ({ code }) => deadLetters.inc({ code }),
    reconciled: ({ durationMs, code }) => {
      const outcome = code === null ? 'succeeded' : code === 'CANCELLED' ? 'stopped' : 'failed';
      reconciles.observe({ outcome }, durationMs / 1000);
      if (code !== null && outcome === 'failed') reconcileFailures.inc({ code });
    },
    'run requested': ({ stage, outcome, items: count }) => {
      runs.inc({ stage: stageLabel(stage), outcome });
      if (outcome === 'dispatched') items.inc({ stage: stageLabel(stage) }, count);
    },
    'slots counted': ({ taken }) => {
      for (const endpoint of knownEndpoints) inFlight.set({ endpoint }, taken.get(endpoint) ?? 0);
    },
    'problem written': ({ code }) => problems.inc({ code }),
    'webhook sent': ({ event, outcome }) => webhooks.inc({ event, outcome }),
    'result read': countResult,
    'result skipped': ({ reason }) => skipped.inc({ reason }),
    'sweep tried': ({ outcome }) => sweepTries.inc({ outcome }),
    'endpoint stuck': ({ endpoint: name, queued, health }) => {
      const endpoint = endpointLabel(name);
      stuckNow.add(endpoint);
      stuckRuns.set({ endpoint }, queued);
      for (const [state, count] of Object.entries(health?.workers ?? {})) endpointWorkers.set({ endpoint, state }, count);
      for (const [state, count] of Object.entries(health?.jobs ?? {})) endpointJobs.set({ endpoint, state }, count);
    },
    swept: ({ durationMs, woken, settled, cleared, audited }) => {
      sweepDuration.observe(durationMs / 1000);
      lastSweep.setToCurrentTime();
      for (const [kind, count] of Object.entries({ woken, settled, cleared })) sweepWork.inc({ kind }, count);
      if (audited !== null) {
        audits.inc();
        auditedJobs.inc(audited);
        lastAudit.setToCurrentTime();
      }
      for (const endpoint of knownEndpoints) if (!stuckNow.has(endpoint)) stuckRuns.set({ endpoint }, 0);
      stuckNow = new Set();
    },
  };

  const hear = <E extends keyof ConsumerEvents>(event: E, about: ConsumerEvents[E]) => listeners[event](about);
  return {
    registry,
    observe(event, about) {
      try {
        hear(event, about);
      } catch (thrown) {
        // Counting must never be the reason that work is not done.
        log.error({ event, error: asMillraceError(thrown) }, 'an event could not be counted');
      }
    },
  };
}
