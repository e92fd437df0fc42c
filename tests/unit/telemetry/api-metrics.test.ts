import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createApiMetrics } from '../../../telemetry/api-metrics.ts';
import { metricsPage } from '../../../telemetry/metrics.ts';
import { readMetrics } from '../../integration/telemetry/scrape.ts';

const JOB = '/api/jobs/{job_id}';

describe('metrics of the API', () => {
  it('count requests by route, method and class of status, and how long they took', async () => {
    const { registry, answered } = createApiMetrics({ version: '1.2.3', openStreams: () => 3 });
    for (const status of [200, 206, 404, 503]) answered({ route: JOB, method: 'GET', status, durationMs: 250 });
    answered({ route: JOB, method: 'DELETE', status: 202, durationMs: 40_000 });
    const metrics = readMetrics((await metricsPage(registry)).body);
    const requests = (labels: Record<string, string>) => metrics.value('millrace_api_requests_total', labels);
    expect(requests({ route: JOB, method: 'GET', status: '2xx' })).toBe(2);
    expect([requests({ status: '4xx' }), requests({ status: '5xx' }), requests({ method: 'DELETE' })]).toEqual([1, 1, 1]);
    expect(metrics.value('millrace_api_request_duration_seconds_sum', { route: JOB, method: 'GET' })).toBe(1);
    expect(metrics.value('millrace_api_request_duration_seconds_bucket', { method: 'DELETE', le: '30' })).toBe(0);
    expect(metrics.value('millrace_api_event_streams')).toBe(3);
    expect(metrics.value('millrace_api_build_info', { version: '1.2.3' })).toBe(1);
    expect(metrics.value('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('have a bounded number of methods, whatever is asked', async () => {
    const { registry, answered } = createApiMetrics({ version: '1', openStreams: () => 0 });
    for (const method of ['PROPFIND', 'PUT', 'MKCOL']) answered({ route: 'none', method, status: 404, durationMs: 1 });
    const metrics = readMetrics((await metricsPage(registry)).body);
    expect(metrics.value('millrace_api_requests_total', { method: 'other' })).toBe(3);
    expect(metrics.value('millrace_api_requests_total', { method: 'PUT' })).toBeUndefined();
  });

  it('go into the registry of a consumer in the same process', () => {
    const registry = new Registry();
    expect(createApiMetrics({ version: '1', openStreams: () => 0, registry }).registry).toBe(registry);
    expect(registry.getSingleMetric('millrace_api_requests_total')).toBeDefined();
    // That one counts the process already.
    expect(registry.getSingleMetric('process_resident_memory_bytes')).toBeUndefined();
  });
});
