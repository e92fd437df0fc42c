/** One job of many segments on a bucket in memory, looked at by the pipeline's own reconcile, with a RunPod that takes every run. */
import { readFileSync } from 'node:fs';
import { silentLogger } from '../log.ts';
import { Pipeline } from '../manifests/pipeline.ts';
import { createFactStore } from '../pipeline/facts.ts';
import { requireGraph } from '../pipeline/graph.ts';
import { type AttemptName, createLayout } from '../pipeline/layout.ts';
import type { Sweeper } from '../pipeline/sweep.ts';
import { type CountingStore, createCountingStore } from './counting-store.ts';

export const JOB = 'big';

export interface JobInMemory extends CountingStore {
  readonly source: Sweeper;
  /** `/run` requests so far. */
  runs(): number;
  passTime(ms: number): void;
  submit(segments: readonly object[]): void;
  /** Writes an item's output and its result, as a worker does. */
  finish(item: AttemptName & { readonly outputKey: string }): void;
}

export function createJobInMemory(): JobInMemory {
  let clockMs = Date.UTC(2026, 0, 1);
  let runs = 0;
  let ids = 0;
  const counting = createCountingStore(() => clockMs);
  const { store, plant } = counting;
  const layout = createLayout();
  const text = readFileSync(new URL('../manifests/built-in.pipeline.json', import.meta.url), 'utf8');
  const source: Sweeper = {
    ...{ store, storeFor: () => store, layout, graph: requireGraph(Pipeline.parse(JSON.parse(text))) },
    settings: {
      ...{ maxSegments: 1_000_000, maxManifestBytes: 1_000_000_000, jobPipelines: true, jobWebhooks: true },
      ...{ endpoints: [], allowedUriPrefixes: [] },
    },
    facts: createFactStore({ store, layout }),
    ...{ maxTtlSeconds: 604_800, maxRunsInFlight: 0, auditMinutes: 0 },
    now: () => clockMs,
    dispatcher: {
      async run() {
        runs += 1;
        return { kind: 'accepted', runId: `run-${runs}` };
      },
      status: async () => ({ kind: 'queued' }),
      health: async () => ({
        jobs: { inProgress: 0, inQueue: 0 },
        workers: { idle: 0, initializing: 0, ready: 0, running: 1, throttled: 0, unhealthy: 0 },
      }),
      cancel: async () => undefined,
    },
    consumerId: 'bench',
    randomId: () => String(ids++),
    log: silentLogger,
    wake: async () => undefined,
  };
  return {
    ...counting,
    source,
    runs: () => runs,
    passTime: (ms) => {
      clockMs += ms;
    },
    submit(segments) {
      plant(layout.jobKey(JOB, 'inputs/audio/master.wav'), 'sound');
      plant(layout.jobKey(JOB, 'segments.json'), JSON.stringify(segments));
    },
    finish(item) {
      plant(layout.jobKey(JOB, item.outputKey), 'sound', { fingerprint: item.fingerprint });
      plant(layout.resultKey(JOB, item, 'succeeded'), '{}');
    },
  };
}

export function segmentsOf(count: number): { start_sec: number; duration_sec: number }[] {
  return Array.from({ length: count }, (_, index) => ({ start_sec: index * 6, duration_sec: 6 }));
}
