/**
 * From an event to a dispatch, over the embedded bucket and queue: how long it takes until RunPod is asked, and how many events a second
 * one consumer process settles, beside a bare sqs-consumer that only parses.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { nodeFlags } from '../bin/setup.mjs';
import { type LocalStack, startLocalStack } from '../cli/local-stack.ts';
import { formatTable } from '../cli/terminal.ts';
import { mapInPool } from '../handlers/pool.ts';
import { silentLogger } from '../log.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createS3Store } from '../storage/s3-store.ts';
import { type Bench, median, quantile } from './measurement.ts';
import { type CarriedItem, type RunEndpoint, startRunEndpoint } from './run-endpoint.ts';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const CONSUMERS = { ours: [pathOf('../cli/main.ts'), 'consume'], bare: [pathOf('bare-consumer-process.ts')] };
type Who = keyof typeof CONSUMERS;

const WRITES_AT_ONCE = 8;
const LOOK_INTERVAL_MS = 10;
const TIME_LIMIT_MS = 240_000;

export interface DispatchShape {
  /** Single jobs, one after the other, whose dispatch is timed. */
  readonly latencies: number;
  /** Of one segment each, all at once. */
  readonly smallJobs: number;
  /** Of one job. */
  readonly bigSegments: number;
}

interface Drained {
  readonly events: number;
  readonly perSecond: number;
}

export interface DispatchReport extends DispatchShape {
  /** From the PUT's return to the arrival of `/run`. */
  readonly latencyMs: Readonly<Record<Who, { readonly p50: number; readonly p99: number }>>;
  /** From the first message that is gone to the last: starting the process is not in it. */
  readonly smallJobsDrained: Readonly<Record<Who, Drained>>;
  /** All outputs and results of the big job, which wait when the consumer starts. */
  readonly bigJobDrained: Drained;
  /** Runs of the small jobs, which are dispatched while their events are drained. */
  readonly dispatchesPerSecond: number;
}

interface Parts {
  readonly stack: LocalStack;
  readonly store: ObjectStore;
  readonly sqs: SQSClient;
  readonly endpoint: RunEndpoint;
}

export async function measureDispatch(shape: DispatchShape): Promise<DispatchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const stack = await startLocalStack({
    ...{ dataDir: directory, port: 0, workers: 0, consume: false, env: {}, log: silentLogger },
  });
  const { bucket, queue } = stack.description;
  const credentials = { accessKeyId: bucket.accessKeyId, secretAccessKey: bucket.secretAccessKey };
  const store = createS3Store({
    bucket: bucket.name,
    endpoint: bucket.endpoint,
    region: bucket.region,
    credentials,
    scheme: 's3',
    addressingStyle: 'path',
  });
  if (queue.kind !== 'sqs') throw new Error('the stack has another queue');
  const sqs = new SQSClient({ endpoint: new URL(queue.url).origin, region: bucket.region, credentials });
  const endpoint = await startRunEndpoint();
  const parts = { stack, store, sqs, endpoint };
  try {
    const bare = await measureWho('bare', parts, shape);
    const ours = await measureWho('ours', parts, shape);
    const bigJobDrained = await drainBigJob(parts, shape.bigSegments);
    return {
      ...shape,
      latencyMs: { bare: bare.latencyMs, ours: ours.latencyMs },
      smallJobsDrained: { bare: bare.drained, ours: ours.drained },
      bigJobDrained,
      dispatchesPerSecond: ours.dispatchesPerSecond,
    };
  } finally {
    sqs.destroy();
    await endpoint.close();
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

const ONE_SEGMENT = JSON.stringify([{ start_sec: 0, duration_sec: 6 }]);
const put = ({ store }: Parts, job: string, key: string, body: string) => store.put(`pipelines/${job}/${key}`, body);

async function measureWho(who: Who, parts: Parts, shape: DispatchShape) {
  const { endpoint } = parts;
  endpoint.forget();
  const timed = Array.from({ length: shape.latencies + 1 }, (_, index) => `${who}-timed-${index}`);
  for (const job of timed) await put(parts, job, 'inputs/audio/master.wav', 'sound');
  const first = startConsumer(who, parts, 'single');
  const failed = failure(first);
  // It is killed in the end, when nobody waits for this any more.
  failed.catch(() => undefined);
  const latencies: number[] = [];
  try {
    await drained(parts, first);
    for (const [index, job] of timed.entries()) {
      await put(parts, job, 'segments.json', ONE_SEGMENT);
      const putAtMs = performance.now();
      const arrivedAtMs = await Promise.race([endpoint.arrivalOf(job), failed]);
      // The first one opens connections.
      if (index > 0) latencies.push(arrivedAtMs - putAtMs);
      // It ends before the next one begins.
      await finish(endpoint.items.filter(({ millrace }) => millrace.job === job));
      await drained(parts, first);
    }
  } finally {
    await kill(first);
  }
  const small = Array.from({ length: shape.smallJobs }, (_, index) => `${who}-small-${index}`);
  await mapInPool(small, WRITES_AT_ONCE, async (job) => {
    await put(parts, job, 'inputs/audio/master.wav', 'sound');
    await put(parts, job, 'segments.json', ONE_SEGMENT);
  });
  const found = await drainWith(who, parts);
  const arrivals = small.map((job) => endpoint.arrivedAtMs.get(job) ?? Number.NaN);
  if (arrivals.some(Number.isNaN)) throw new Error(`${who}: a job was not dispatched`);
  const seconds = (Math.max(...arrivals) - Math.min(...arrivals)) / 1000;
  return {
    latencyMs: { p50: median(latencies), p99: quantile(latencies, 0.99) },
    drained: found,
    dispatchesPerSecond: small.length / seconds,
  };
}

/** One consumer dispatches all of it; its workers' writes then wait for the next one. */
async function drainBigJob(parts: Parts, segments: number): Promise<Drained> {
  const { endpoint } = parts;
  endpoint.forget();
  const list = Array.from({ length: segments }, (_, index) => ({ start_sec: index * 6, duration_sec: 6 }));
  await put(parts, 'big', 'inputs/audio/master.wav', 'sound');
  await put(parts, 'big', 'segments.json', JSON.stringify(list));
  await drainWith('ours', parts);
  if (endpoint.items.length !== segments) throw new Error(`${endpoint.items.length} of ${segments} segments were dispatched`);
  await finish(endpoint.items);
  return drainWith('ours', parts);
}

/** Outputs and results, as workers write them. */
async function finish(items: readonly CarriedItem[]): Promise<void> {
  await mapInPool(items, WRITES_AT_ONCE, async ({ output_put_url, millrace }) => {
    await putPresigned(output_put_url, 'sound', millrace.output_put_headers);
    await putPresigned(millrace.succeeded_put_url, '{}', {});
  });
}

async function putPresigned(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const { ok, status } = await fetch(url, { method: 'PUT', body, headers });
  if (!ok) throw new Error(`a PUT was answered with ${status}`);
}

/** From the first message that is gone to the last. */
async function drainWith(who: Who, parts: Parts): Promise<Drained> {
  const events = await messagesIn(parts);
  const consumer = startConsumer(who, parts, 'many');
  try {
    let [left, beginAtMs, leftAtBegin] = [events, 0, events];
    const deadlineMs = performance.now() + TIME_LIMIT_MS;
    while (left > 0) {
      if (performance.now() > deadlineMs || consumer.exitCode !== null) throw new Error(`${who}: ${left} messages are left`);
      await sleep(LOOK_INTERVAL_MS);
      left = await messagesIn(parts);
      if (beginAtMs === 0 && left < events) [beginAtMs, leftAtBegin] = [performance.now(), left];
    }
    const seconds = (performance.now() - beginAtMs) / 1000;
    // What was gone at the first look was settled before the clock ran.
    return { events, perSecond: leftAtBegin === 0 ? events / Math.max(seconds, 0.001) : leftAtBegin / seconds };
  } finally {
    await kill(consumer);
  }
}

async function drained(parts: Parts, consumer: ChildProcess): Promise<void> {
  const deadlineMs = performance.now() + TIME_LIMIT_MS;
  while ((await messagesIn(parts)) > 0) {
    if (performance.now() > deadlineMs || consumer.exitCode !== null) throw new Error('the queue did not become empty');
    await sleep(LOOK_INTERVAL_MS);
  }
}

async function messagesIn({ sqs, stack }: Parts): Promise<number> {
  const { queue } = stack.description;
  const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
  const command = new GetQueueAttributesCommand({ QueueUrl: queue.kind === 'sqs' ? queue.url : '', AttributeNames: [...names] });
  const { Attributes = {} } = await sqs.send(command);
  return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
}

/** The single jobs take slots, as with the default; of the many at once nothing ends here, and no ceiling is to hold them up. */
const CEILINGS = { single: '10000', many: '0' };

function startConsumer(who: Who, { stack, endpoint }: Parts, ceiling: keyof typeof CEILINGS): ChildProcess {
  return spawn(process.execPath, [...nodeFlags, ...CONSUMERS[who]], {
    env: {
      ...{ PATH: process.env.PATH, HOME: process.env.HOME },
      ...stack.environment,
      ...{ RUNPOD_ENDPOINT: endpoint.url, RUNPOD_API_KEY: 'bench' },
      ...{ MILLRACE_MAX_RUNS_IN_FLIGHT: CEILINGS[ceiling], MILLRACE_LOG_LEVEL: 'warn' },
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function failure(consumer: ChildProcess): Promise<never> {
  await once(consumer, 'exit');
  throw new Error('the consumer ended');
}

async function kill(consumer: ChildProcess): Promise<void> {
  if (consumer.exitCode !== null || consumer.signalCode !== null) return;
  const ended = once(consumer, 'exit');
  consumer.kill('SIGKILL');
  await ended;
}

export const dispatch: Bench<DispatchReport> = {
  name: 'dispatch',
  measure: (quick) =>
    measureDispatch(
      quick ? { latencies: 10, smallJobs: 20, bigSegments: 40 } : { latencies: 200, smallJobs: 1000, bigSegments: 2000 },
    ),
  table({ latencies, latencyMs, smallJobs, smallJobsDrained, bigSegments, bigJobDrained, dispatchesPerSecond }) {
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    const rate = ({ perSecond }: Drained) => `${perSecond.toFixed(0)} events/s`;
    const { bare, ours } = latencyMs;
    const ratio = smallJobsDrained.ours.perSecond / smallJobsDrained.bare.perSecond;
    return [
      `From the return of a PUT to RunPod's /run (${latencies} jobs, one after the other), and what one process settles`,
      ...formatTable([
        ['consumer', 'p50', 'p99', `${smallJobs} small jobs`, `one job of ${bigSegments}`],
        ['bare sqs-consumer', ms(bare.p50), ms(bare.p99), rate(smallJobsDrained.bare), ''],
        ['millrace consume', ms(ours.p50), ms(ours.p99), rate(smallJobsDrained.ours), rate(bigJobDrained)],
        ['added', ms(ours.p50 - bare.p50), ms(ours.p99 - bare.p99), `${ratio.toFixed(2)}×`, ''],
      ]),
      `${dispatchesPerSecond.toFixed(0)} of the small jobs were dispatched a second.`,
    ];
  },
  goals: ({ latencyMs: { bare, ours } }) => [
    { what: 'event to dispatch, added at the median', found: ours.p50 - bare.p50, goal: 20, unit: 'ms', better: 'less' },
  ],
};
