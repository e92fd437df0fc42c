import { describe, expect, it } from 'vitest';
import { createLogger, silentLogger } from '../../../log.ts';
import type { MeasuredResult } from '../../../pipeline/measured-result.ts';
import { createMetrics, metricsPage } from '../../../telemetry/metrics.ts';
import { readMetrics } from '../../integration/telemetry/scrape.ts';

const RESULT: MeasuredResult = {
  ...{ stage: 'cut', item: '0', fingerprint: 'f', attempt: 1, status: 'succeeded', code: undefined, runId: 'r' },
  ...{ endpoint: 'default', workerSeconds: 4, runSeconds: 2, executionSeconds: undefined },
  ...{ bytesRead: 100, bytesWritten: 50, mediaSeconds: 20 },
};

function counting(prices: Readonly<Record<string, number>> = { default: 0.1, talker: 1 }) {
  const { registry, observe } = createMetrics({
    stages: ['cut'],
    endpoints: ['default', 'talker'],
    prices,
    version: '1',
    log: silentLogger,
  });
  return { observe, read: async () => readMetrics((await metricsPage(registry)).body) };
}

describe('a result', () => {
  it('adds what it measures to its stage and its endpoint', async () => {
    const { observe, read } = counting();
    observe('result read', RESULT);
    observe('result read', { ...RESULT, endpoint: 'talker' });
    const metrics = await read();
    expect(metrics.value('millrace_attempts_total', { stage: 'cut', status: 'succeeded' })).toBe(2);
    expect(metrics.value('millrace_gpu_seconds_total', { endpoint: 'talker' })).toBe(2);
    expect(metrics.value('millrace_gpu_cost_dollars_total')).toBeCloseTo(2.2);
    expect(metrics.value('millrace_worker_seconds_total')).toBe(8);
    expect(metrics.value('millrace_media_speed_ratio_sum')).toBe(10);
    expect(metrics.value('millrace_read_bytes_total')).toBe(200);
  });

  it('of a stage or an endpoint that the deployment does not name is counted as other: names have no bound', async () => {
    const { observe, read } = counting();
    for (let index = 0; index < 50; index++)
      observe('result read', { ...RESULT, stage: `own-${index}`, endpoint: `own-${index}` });
    const metrics = await read();
    expect(metrics.value('millrace_attempts_total', { stage: 'other', status: 'succeeded' })).toBe(50);
    expect(metrics.value('millrace_gpu_seconds_total', { endpoint: 'other' })).toBe(100);
    expect(metrics.value('millrace_attempts_total', { stage: 'own-1' })).toBeUndefined();
  });

  it('that was refused never ran: it is an attempt and nothing else', async () => {
    const { observe, read } = counting();
    observe('result read', { ...RESULT, status: 'refused' });
    const metrics = await read();
    expect(metrics.value('millrace_attempts_total', { status: 'refused' })).toBe(1);
    expect(metrics.value('millrace_gpu_seconds_total')).toBeUndefined();
    expect(metrics.value('millrace_failures_total')).toBeUndefined();
  });

  it('costs nothing that can be said without a price', async () => {
    const { observe, read } = counting({});
    observe('result read', RESULT);
    expect((await read()).value('millrace_gpu_cost_dollars_total')).toBeUndefined();
  });
});

describe('gauges of what was seen last', () => {
  it('fall back to nothing: slots that were given back, endpoints that are no longer stuck', async () => {
    const { observe, read } = counting();
    const health = {
      jobs: { inProgress: 1, inQueue: 2 },
      workers: { idle: 0, initializing: 0, ready: 0, running: 0, throttled: 3, unhealthy: 0 },
    };
    const swept = { durationMs: 10, woken: 0, settled: 0, cleared: 0, audited: null };
    observe('slots counted', { taken: new Map([['talker', 7]]) });
    observe('endpoint stuck', { endpoint: 'talker', queued: 2, health });
    observe('swept', swept);
    const before = await read();
    expect(before.value('millrace_runs_in_flight', { endpoint: 'talker' })).toBe(7);
    expect(before.value('millrace_endpoint_stuck_runs', { endpoint: 'talker' })).toBe(2);
    expect(before.value('millrace_endpoint_workers', { endpoint: 'talker', state: 'throttled' })).toBe(3);
    observe('slots counted', { taken: new Map() });
    observe('swept', { ...swept, audited: 4 });
    const after = await read();
    expect(after.value('millrace_runs_in_flight', { endpoint: 'talker' })).toBe(0);
    expect(after.value('millrace_endpoint_stuck_runs', { endpoint: 'talker' })).toBe(0);
    expect(after.value('millrace_audited_jobs_total')).toBe(4);
  });

  it('say nothing of runs in flight where nobody counts them', async () => {
    expect((await counting().read()).value('millrace_runs_in_flight')).toBeUndefined();
  });
});

it('looks that were stopped are no failures', async () => {
  const { observe, read } = counting();
  for (const code of [null, 'CANCELLED', 'STORE_UNREACHABLE'] as const) observe('reconciled', { durationMs: 1000, code });
  const metrics = await read();
  for (const outcome of ['succeeded', 'stopped', 'failed']) {
    expect(metrics.value('millrace_reconcile_duration_seconds_count', { outcome }), outcome).toBe(1);
  }
  expect(metrics.value('millrace_reconcile_failures_total')).toBe(1);
  expect(metrics.value('millrace_reconcile_failures_total', { code: 'STORE_UNREACHABLE' })).toBe(1);
});

it('an event that cannot be counted is logged, and hurts nobody', () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'error', name: 'test', stream: { write: (line) => void lines.push(line) } });
  const { observe } = createMetrics({ stages: [], endpoints: [], prices: {}, version: '1', log });
  observe('result read', { ...RESULT, bytesRead: -1 });
  expect(lines).toEqual([expect.stringContaining('an event could not be counted')]);
});
