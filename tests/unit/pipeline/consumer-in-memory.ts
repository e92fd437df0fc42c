/** A reconciler on a bucket in memory, with a clock and a RunPod that tests move by hand. */
import { createLogger } from '../../../log.ts';
import type { Dispatcher, DispatchOutcome, RunRequest, RunStatus } from '../../../pipeline/dispatcher.ts';
import { createFactStore } from '../../../pipeline/facts.ts';
import type { Graph } from '../../../pipeline/graph.ts';
import { createLayout } from '../../../pipeline/layout.ts';
import { reconcile } from '../../../pipeline/reconcile.ts';
import { type Sweeper, sweep } from '../../../pipeline/sweep.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { createMemoryBucket, type MemoryBucket, presignedKey, type RequestKind } from '../../simulation/memory-bucket.ts';
import { itemsOf, type RunItem } from '../../simulation/run-input.ts';
import { builtInGraph, SETTINGS } from './job-builder.ts';

const START_MS = Date.UTC(2026, 0, 1);
export const layout = createLayout();

export interface InMemory {
  readonly bucket: MemoryBucket;
  readonly source: Sweeper;
  /** Every `/run` there was. */
  readonly runs: RunRequest[];
  readonly cancelled: string[];
  /** Lines of the log. */
  readonly log: string[];
  /** Jobs that the sweep had looked at again. */
  readonly woken: string[];
  readonly writes: () => number;
  readonly requests: Record<RequestKind, number>;
  clockMs: number;
  /** What RunPod does; accepts, and reports runs as queued, unless told. */
  onRun: (request: RunRequest) => DispatchOutcome;
  onStatus: (runId: string) => RunStatus;
  onCancel: (runId: string) => void;
  put(key: string, body: unknown): void;
  keys(prefix: string): string[];
  reconcile(job?: string): ReturnType<typeof reconcile>;
  sweep(): ReturnType<typeof sweep>;
  /** Another consumer on the same bucket. */
  another(): Sweeper;
  /** Writes an item's output and result as the worker does. */
  finish(item: RunItem, status?: 'succeeded' | 'failed', error?: object): void;
}

export function createInMemory(
  graph: Graph = builtInGraph,
  options: { readonly maxRunsInFlight?: number; readonly auditMinutes?: number } = {},
): InMemory {
  let writes = 0;
  let ids = 0;
  const requests = { list: 0, head: 0, get: 0, put: 0, create: 0, delete: 0 };
  const bucket = createMemoryBucket({ now: () => self.clockMs });
  const log: string[] = [];

  const openStore = (): ObjectStore =>
    bucket.open(async (kind, act) => {
      requests[kind] += 1;
      if (kind === 'put' || kind === 'create' || kind === 'delete') writes += 1;
      return act();
    });

  const dispatcher: Dispatcher = {
    run: async (request) => {
      self.runs.push(request);
      return self.onRun(request);
    },
    status: async (_, runId) => self.onStatus(runId),
    health: async () => ({
      jobs: { inProgress: 0, inQueue: self.runs.length },
      workers: { idle: 0, initializing: 0, ready: 0, running: 0, throttled: 0, unhealthy: 1 },
    }),
    cancel: async (_, runId) => {
      self.onCancel(runId);
      self.cancelled.push(runId);
    },
  };

  function createSource(): Sweeper {
    const store = openStore();
    const source: Sweeper = {
      store,
      storeFor: () => store,
      maxTtlSeconds: 604_800,
      maxRunsInFlight: options.maxRunsInFlight ?? 0,
      auditMinutes: options.auditMinutes ?? 0,
      layout,
      graph,
      settings: SETTINGS,
      facts: createFactStore({ store, layout }),
      now: () => self.clockMs,
      dispatcher,
      consumerId: 'consumer',
      randomId: () => {
        ids += 1;
        return String(ids);
      },
      log: createLogger({ level: 'debug', name: 'test', stream: { write: (line) => void log.push(line) } }),
      wake: async (job) => {
        self.woken.push(job);
        await reconcile(source, job);
      },
    };
    return source;
  }

  const self: InMemory = {
    bucket,
    source: createSource(),
    runs: [],
    cancelled: [],
    log,
    woken: [],
    writes: () => writes,
    requests,
    clockMs: START_MS,
    onRun: () => ({ kind: 'accepted', runId: `run-${self.runs.length}` }),
    onStatus: () => ({ kind: 'queued' }),
    onCancel: () => {},
    put: (key, body) => bucket.put(layout.jobKey('job', key), typeof body === 'string' ? body : JSON.stringify(body)),
    keys: (prefix) => [...bucket.objects.keys()].filter((key) => key.startsWith(prefix)),
    reconcile: (job = 'job') => reconcile(self.source, job),
    sweep: () => sweep(self.source),
    another: createSource,
    finish({ millrace, output_put_url: url }, status = 'succeeded', error = { code: 'X', message: 'x', retryable: true }) {
      const { job, stage, item, fingerprint, attempt } = millrace;
      if (status === 'succeeded') bucket.put(presignedKey(url), 'media', { metadata: { fingerprint } });
      const common = { version: 1, status, job, stage, item, fingerprint, attempt, written_by: 'worker' };
      const result = { ...common, finished_at: new Date(self.clockMs).toISOString(), ...(status === 'failed' ? { error } : {}) };
      bucket.put(layout.resultKey(job, millrace, status), JSON.stringify(result));
    },
  };
  return self;
}

/** The items that the last `/run` carried. */
export function lastItems({ runs }: InMemory): readonly RunItem[] {
  const last = runs.at(-1);
  return last === undefined ? [] : itemsOf(last.input);
}
