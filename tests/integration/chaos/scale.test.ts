/**
 * A job of very many segments: what its planning, claiming and dispatching costs, by number of segments, and that a small job gets on
 * meanwhile. TEST_SCALE_ITEMS=1000,10000 measures other sizes than `npm test` has time for.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventually, type StackView, viewStack } from '../loop/stack.ts';
import { startProcess, type TestProcess } from '../runpod/processes.ts';
import { type BookedRun, type Deployment, readBook, startDeployment } from './deployment.ts';

const SIZES = (process.env.TEST_SCALE_ITEMS ?? '2100').split(',').map(Number);
const SMALL_ITEMS = 3;
/** The small job comes when the big one has so much behind it. */
const UNDER_WAY = 0.05;
/** On a machine that has much else to do; two idle processors take a small part of it. */
const SECONDS_PER_ITEM = 0.3;
const LEAST_SECONDS = 120;
/** Node collects late: a consumer takes about 380 MiB for a thousand segments, and 520 for ten thousand. */
const MOST_BYTES = 480 * 1024 ** 2;
const MOST_BYTES_PER_ITEM = 30 * 1024;
/** Claim, second look, record, and shares of a run's slot and of the listings and messages. */
const MOST_REQUESTS_PER_ITEM = 12;

const Costs = z.object({ peakBytes: z.number(), processorSeconds: z.number(), requests: z.record(z.string(), z.number()) });
type Costs = z.infer<typeof Costs>;

describe.each(SIZES)('a job of %i segments', (items) => {
  const withinSeconds = LEAST_SECONDS + items * SECONDS_PER_ITEM;
  let directory: string;
  let deployment: Deployment;
  let view: StackView;
  const processes: TestProcess[] = [];
  let costs: Costs;
  let runs: BookedRun[];
  const seconds = { big: 0, small: 0 };
  let bigWhenSmallWasDone = 0;
  let unsettled = 0;

  beforeAll(
    async () => {
      directory = await mkdtemp(join(tmpdir(), 'millrace-scale-'));
      deployment = await startDeployment(directory);
      view = viewStack(join(directory, 'stack'), deployment.environment);
      const worker = startProcess('../chaos/fake-trim-process.ts', [], deployment.workerEnvironment('worker'));
      const consumer = startProcess('../chaos/consumer-process.ts', [], deployment.environment);
      processes.push(worker, consumer);
      const sinceMs = Date.now();
      const secondsSince = (ms: number) => (Date.now() - ms) / 1000;
      await submit('big', items);
      await eventually('the big job is under way', () => succeeded('big') >= items * UNDER_WAY, withinSeconds);
      const smallSinceMs = Date.now();
      await submit('small', SMALL_ITEMS);
      await eventually('the small job has ended', () => succeeded('small') === SMALL_ITEMS, withinSeconds);
      seconds.small = secondsSince(smallSinceMs);
      bigWhenSmallWasDone = succeeded('big');
      await eventually('the big job has ended', () => succeeded('big') === items, withinSeconds);
      seconds.big = secondsSince(sinceMs);
      unsettled = await view.waitingMessages();
      consumer.child.kill('SIGTERM');
      costs = Costs.parse(JSON.parse((await consumer.exited).stdout));
      runs = readBook(directory);
      process.stdout.write(`${report()}\n`);
    },
    3 * withinSeconds * 1000,
  );
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.kill()));
    view.close();
    await deployment.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function submit(job: string, count: number): Promise<void> {
    await view.put(job, 'inputs/audio/master.wav', 'sound');
    const segments = Array.from({ length: count }, (_, index) => ({ start_sec: index, duration_sec: 1 }));
    await view.put(job, 'segments.json', JSON.stringify(segments));
  }

  /** Read off the disk: listing thousands of objects again and again would be most of what is measured. */
  function succeeded(job: string): number {
    const folder = join(deployment.bucketFolder, 'pipelines', job, 'results', 'segmentation');
    return existsSync(folder) ? readdirSync(folder).length : 0;
  }

  const requestsPerItem = () => Object.values(costs.requests).reduce((sum, count) => sum + count, 0) / items;

  function report(): string {
    const requests = Object.entries(costs.requests)
      .filter(([, count]) => count >= items / 100)
      .map(([name, count]) => `${name} ${(count / items).toFixed(2)}`);
    return [
      `${items} segments in ${runs.length} runs: done after ${seconds.big.toFixed(0)} s, with ${unsettled} messages to be settled yet;`,
      `a job of ${SMALL_ITEMS} beside it took ${seconds.small.toFixed(1)} s and was done when the big one had ${bigWhenSmallWasDone};`,
      `the consumer took ${(costs.peakBytes / 1024 ** 2).toFixed(0)} MiB at most,`,
      `${((costs.processorSeconds * 1000) / items).toFixed(1)} ms of processor and ${requestsPerItem().toFixed(2)} requests an item`,
      `(${requests.join(', ')})`,
    ].join(' ');
  }

  const isDone = async (job: string, count: number) => {
    const segmentation = (await view.plan(job)).stages.find(({ name }) => name === 'segmentation');
    expect(segmentation?.items.filter(({ phase }) => phase === 'done')).toHaveLength(count);
  };

  it('is done, as is the small one', async () => {
    await isDone('big', items);
    await isDone('small', SMALL_ITEMS);
  });

  it('dispatches every item once', () => {
    const dispatched = runs.flatMap(({ attempts }) => attempts.map(({ job, item }) => `${job}/${item}`));
    expect(dispatched).toHaveLength(items + SMALL_ITEMS);
    expect(new Set(dispatched).size).toBe(items + SMALL_ITEMS);
  });

  it.runIf(items > 2000)('does not hold up the small one', () => {
    expect(bigWhenSmallWasDone).toBeLessThan(items * 0.75);
  });

  it('needs no more memory and no more requests an item than it may', () => {
    expect(costs.peakBytes).toBeLessThan(MOST_BYTES + items * MOST_BYTES_PER_ITEM);
    expect(requestsPerItem()).toBeLessThan(MOST_REQUESTS_PER_ITEM);
  });
});
