/** Jobs through the real stack, and what metrics, health, traces and costs say of them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConsumer } from '../../../cli/consumer-process.ts';
import { readConfig } from '../../../config.ts';
import { silentLogger } from '../../../log.ts';
import { Result } from '../../../manifests/result.ts';
import { readJobCost } from '../../../pipeline/job-cost.ts';
import { planJob } from '../../../pipeline/job-plan.ts';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { eventually, startTestStack, type TestStack } from '../loop/stack.ts';
import { startFreezableQueue } from './frozen-queue.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';
import { readMetrics, type Scrape, scrape } from './scrape.ts';

const PRICE = 0.5;
const WAV_BYTES = 192_044;

let receiver: OtlpReceiver;
let stack: TestStack;
let results: Result[];

async function makeMaster(seconds: number): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-telemetry-'));
  try {
    return await readFile(await makeAudio(ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg', directory, { name: 'master.wav', seconds }));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const segmentsAt = (...starts: readonly number[]) => JSON.stringify(starts.map((start_sec) => ({ start_sec, duration_sec: 1 })));

/** One job that works, one that cannot, and a message that nobody can read. */
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  stack = await startTestStack({
    workers: 1,
    env: {
      MILLRACE_HEALTH_ADDRESS: '127.0.0.1:0',
      MILLRACE_GPU_PRICE_PER_SECOND: String(PRICE),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    },
  });
  const master = await makeMaster(3);
  for (const [job, segments] of [
    ['good', segmentsAt(0, 1, 2)],
    ['short', segmentsAt(9)],
  ] as const) {
    await stack.put(job, 'inputs/audio/master.wav', master);
    await stack.put(job, 'segments.json', segments);
  }
  const queueUrl = stack.stack.description.queue.url;
  await stack.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'no notification' }));
  await stack.untilDone('good');
  await stack.until('short', ({ stages }) => stages.some(({ items }) => items[0]?.phase === 'failed'));
  const keys = (await stack.keys('good')).filter((key) => key.startsWith('results/'));
  results = await Promise.all(keys.map(async (key) => Result.parse(JSON.parse(String(await stack.read('good', key))))));
});

afterAll(async () => {
  await stack.stop();
  await receiver.close();
});

describe('metrics', () => {
  let metrics: Scrape;
  beforeAll(async () => {
    await eventually('all results and messages are counted', async () => {
      metrics = await scrape(stack.stack.healthUrl);
      const attempts = metrics.value('millrace_attempts_total');
      const events = metrics.value('millrace_events_total') ?? 0;
      const isIdle = metrics.value('millrace_messages_held') === 0 && metrics.value('millrace_runs_in_flight') === 0;
      return attempts === 4 && events >= 11 && isIdle;
    });
  });

  test('count each event, run, item, attempt, failure and dead letter once', () => {
    const counts = {
      // Two inputs, three outputs and their results; two inputs and a result.
      events: metrics.value('millrace_events_total', { source: 's3', outcome: 'job' }),
      runs: metrics.value('millrace_dispatches_total', { stage: 'segmentation', outcome: 'dispatched' }),
      items: metrics.value('millrace_dispatched_items_total'),
      succeeded: metrics.value('millrace_attempts_total', { stage: 'segmentation', status: 'succeeded' }),
      failed: metrics.value('millrace_failures_total', { stage: 'segmentation', code: 'INPUT_TOO_SHORT' }),
      deadLetters: metrics.value('millrace_dead_letters_total', { code: 'MESSAGE_NOT_JSON' }),
      allDeadLetters: metrics.value('millrace_dead_letters_total'),
      skipped: metrics.value('millrace_results_skipped_total') ?? 0,
    };
    expect(counts).toEqual({
      ...{ events: 11, runs: 2, items: 4, succeeded: 3, failed: 1, deadLetters: 1, allDeadLetters: 1, skipped: 0 },
    });
  });

  test('add up what the workers measured', () => {
    const shares = results.reduce((sum, { run_sec = 0 }) => sum + run_sec, 0);
    const gpuSeconds = metrics.value('millrace_gpu_seconds_total', { endpoint: 'default' }) ?? 0;
    expect(metrics.value('millrace_media_seconds_total', { stage: 'segmentation' })).toBe(3);
    expect(metrics.value('millrace_written_bytes_total', { stage: 'segmentation' })).toBe(3 * WAV_BYTES);
    expect(metrics.value('millrace_read_bytes_total', { stage: 'segmentation' })).toBeGreaterThanOrEqual(3 * WAV_BYTES - 100);
    // The failed run was paid too.
    expect(gpuSeconds).toBeGreaterThan(shares);
    expect(metrics.value('millrace_gpu_cost_dollars_total')).toBeCloseTo(gpuSeconds * PRICE);
    expect(metrics.value('millrace_media_speed_ratio_count', { stage: 'segmentation' })).toBe(3);
  });

  test('of the consumer are with those of the API, where both are one process', async () => {
    const { url, token } = stack.stack.description.api;
    const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } });
    const both = readMetrics(await response.text());
    expect(both.value('millrace_attempts_total')).toBe(4);
    expect(both.value('millrace_api_build_info')).toBe(1);
    expect((await scrape(stack.stack.healthUrl)).value('millrace_api_requests_total', { route: '/metrics', status: '2xx' })).toBe(
      1,
    );
  });

  test('show the queue, the looks at jobs and the process', () => {
    expect(metrics.value('millrace_message_age_seconds_count')).toBeGreaterThanOrEqual(12);
    expect(metrics.value('millrace_queue_messages', { state: 'ready' })).toBe(0);
    expect(metrics.value('millrace_dead_letter_queue_messages')).toBe(1);
    expect(metrics.value('millrace_reconcile_duration_seconds_count', { outcome: 'succeeded' })).toBeGreaterThan(0);
    expect(metrics.value('millrace_reconcile_duration_seconds_count', { outcome: 'failed' })).toBeUndefined();
    expect(metrics.value('millrace_consumer_stalled')).toBe(0);
    expect(metrics.value('process_resident_memory_bytes')).toBeGreaterThan(0);
  });
});

describe('health', () => {
  test('is good while queue and bucket answer', async () => {
    for (const path of ['healthz', 'readyz']) {
      const response = await fetch(`${stack.stack.healthUrl}/${path}`);
      expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }]);
    }
  });

  test('says that the consumer is stalled, and why, once its queue is silent', async () => {
    const queue = await startFreezableQueue(stack.environment.MILLRACE_QUEUE_URL ?? '');
    const env = { ...stack.environment, MILLRACE_QUEUE_URL: queue.url, MILLRACE_HEALTH_ADDRESS: '127.0.0.1:0' };
    const consumer = await startConsumer(readConfig(env), silentLogger, { waitTimeSeconds: 1, maxSilenceMs: 2_500 });
    try {
      const ask = async (path: string) => fetch(`${consumer.healthUrl}/${path}`);
      await eventually('it is ready', async () => (await ask('readyz')).status === 200);
      expect((await ask('healthz')).status).toBe(200);
      queue.freeze();
      await eventually('it is stalled', async () => (await ask('healthz')).status === 503);
      const reasons = [expect.stringMatching(/^the queue \(sqs\) has not answered for \d+ s$/)];
      expect(await (await ask('healthz')).json()).toEqual({ status: 'failing', reasons });
      expect((await ask('readyz')).status).toBe(503);
      expect((await scrape(consumer.healthUrl)).value('millrace_consumer_stalled')).toBe(1);
    } finally {
      // The poll that is under way will never be answered.
      await queue.close();
      await consumer.stop();
    }
  });
});

describe('a trace', () => {
  const sent = (): ReceivedSpan | undefined =>
    receiver.spans.find(({ name, attributes }) => name === 'send default' && attributes['millrace.job'] === 'good');

  test('goes from the message through the payload into the worker', async () => {
    const inTrace = () => receiver.spans.filter(({ traceId }) => traceId === sent()?.traceId);
    await eventually('both processes have sent it', () =>
      ['process millrace', 'process AUDIO_TRIM'].every((name) => inTrace().some((span) => span.name === name)),
    );
    const trace = inTrace();
    expect(new Set(trace.map(({ service }) => service))).toEqual(new Set(['millrace-consumer', 'millrace-worker']));
    const ancestors = (span: ReceivedSpan | undefined): string[] =>
      span === undefined ? [] : [span.name, ...ancestors(trace.find(({ spanId }) => spanId === span.parentSpanId))];
    const upload = trace.find(({ name }) => name === 'upload');
    expect(ancestors(upload)).toEqual([
      'upload',
      'segment',
      'process AUDIO_TRIM',
      'send default',
      'reconcile',
      'process millrace',
    ]);
    expect(trace.map(({ name }) => name)).toEqual(expect.arrayContaining(['plan', 'claim', 'open input', 'ffprobe', 'verify']));
    const messaging = { 'messaging.system': 'aws.sqs', 'messaging.operation.type': 'process' };
    expect(trace.find(({ name }) => name === 'process millrace')).toMatchObject({ kind: 5, attributes: messaging });
    expect(sent()).toMatchObject({ kind: 4, attributes: { 'messaging.message.id': results[0]?.run_id } });
  });

  test('says that a task failed, with its code', async () => {
    const failed = () => receiver.spans.find(({ name, status }) => name === 'process AUDIO_TRIM' && status?.code === 2);
    await eventually('it has been sent', () => failed() !== undefined);
    expect(failed()?.attributes).toMatchObject({ 'millrace.job': 'short', 'error.type': 'INPUT_TOO_SHORT' });
  });

  test('begins with a request to the API, or with what sent that, and goes on in the look that it asks for', async () => {
    const { url, token } = stack.stack.description.api;
    const traceId = 'c'.repeat(32);
    const headers = { authorization: `Bearer ${token}`, traceparent: `00-${traceId}-${'d'.repeat(16)}-01` };
    const ask = (path: string, more: object = {}) => fetch(`${url}${path}`, { method: 'POST', headers: { ...headers, ...more } });
    expect((await ask('/api/jobs/short/retry')).status).toBe(202);
    expect((await ask('/api/jobs/nobody/cancel')).status).toBe(404);
    expect((await ask('/api/jobs/short/retry', { authorization: 'Bearer wrong' })).status).toBe(401);
    const inTrace = () => receiver.spans.filter((span) => span.traceId === traceId);
    await eventually('the run of the retry has been sent', () => inTrace().some(({ name }) => name === 'process AUDIO_TRIM'));
    await eventually('both requests have been sent', () => inTrace().filter(({ kind }) => kind === 2).length === 2);
    const [request, ...others] = inTrace().filter(({ name }) => name.endsWith('/retry'));
    expect(request).toMatchObject({
      ...{ name: 'POST /api/jobs/{job_id}/retry', service: 'millrace-api', parentSpanId: 'd'.repeat(16) },
      attributes: { 'millrace.job': 'short', 'http.response.status_code': 202 },
    });
    // Whoever has no token begins no trace.
    expect(others).toEqual([]);
    expect(inTrace().find(({ name }) => name === 'reconcile')?.parentSpanId).toBe(request?.spanId);
    // What the caller did wrong is no error of ours.
    const refused = inTrace().find(({ name }) => name.endsWith('/cancel'));
    expect(refused).toMatchObject({ attributes: { 'http.response.status_code': 404 } });
    expect(refused?.status?.code ?? 0).toBe(0);
  });

  test('holds no signature and no key', () => {
    const { accessKeyId, secretAccessKey } = stack.stack.description.bucket;
    const secrets = ['X-Amz-', 'Signature', accessKeyId, secretAccessKey, stack.stack.description.runpod.apiKey];
    const everything = receiver.bodies.join('\n');
    expect(everything).toContain('millrace.job');
    expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
  });
});

test('what a job cost is added up from its results', async () => {
  const planned = await planJob(stack.planner, 'good');
  const cost = await readJobCost({ ...stack.planner, prices: { default: PRICE }, memory: new Map() }, planned);
  const seconds = results.reduce((sum, { run_sec = 0 }) => sum + run_sec, 0);
  expect(cost).toMatchObject({ attempts: 3, unmeasured: 0, outputMinutes: 3 / 60 });
  expect(cost?.gpuSeconds).toBeCloseTo(seconds);
  expect(cost?.usdPerOutputMinute).toBeCloseTo((seconds * PRICE) / (3 / 60));
  // Items of the batch overlap: their own times would be more than the run was paid for.
  expect(new Set(results.map(({ run_id }) => run_id)).size).toBe(1);
});
