import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsumerProcess, startConsumer } from '../../../cli/consumer-process.ts';
import { readConfig } from '../../../config.ts';
import { silentLogger } from '../../../log.ts';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { createRandom } from '../../simulation/random.ts';
import { masterSeconds, outputsOf, submitLongJob } from './long-job.ts';
import { type Redelivery, startRedelivery } from './redelivery.ts';
import { attemptOf, eventually, startTestStack, type TestStack } from './stack.ts';

const SEED = 20_261_122;

const STORMS = [
  { times: 3, consumers: 2, items: 12 },
  { times: 100, consumers: 8, items: 4 },
];

describe.each(STORMS)('every event $times times, in any order, to $consumers consumers', ({ times, consumers: count, items }) => {
  const outputs = outputsOf(items);
  let directory: string;
  let stack: TestStack;
  let redelivery: Redelivery;
  let consumers: ConsumerProcess[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-redelivery-'));
    const master = await makeAudio(ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg', directory, {
      name: 'master.wav',
      seconds: masterSeconds(items),
    });
    stack = await startTestStack({ consume: false });
    const sourceUrl = stack.stack.description.queue.url;
    redelivery = await startRedelivery({ sqs: stack.sqs, sourceUrl, copies: times, random: createRandom(SEED) });
    await submitLongJob(stack, 'repeated', items, master);
    const config = readConfig({ ...stack.environment, MILLRACE_QUEUE_URL: redelivery.queueUrl });
    consumers = await Promise.all(
      Array.from({ length: count }, () => startConsumer(config, silentLogger, { waitTimeSeconds: 1 })),
    );
    await stack.untilDone('repeated', 90);
    const isSettled = async () => {
      const left = (await stack.waitingMessages()) + (await stack.waitingMessages(redelivery.queueUrl));
      return left === 0 && redelivery.deliveries === redelivery.messages * times;
    };
    await eventually('every delivery is settled', isSettled, 90);
  }, 200_000);
  afterAll(async () => {
    await redelivery.stop();
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('makes every output', async () => {
    expect((await stack.keys('repeated')).filter((key) => /^(copies|parts)\//.test(key)).sort()).toEqual(outputs);
  });

  it('runs every item once, in one attempt', async () => {
    const dispatched = stack.dispatched('repeated');
    expect(dispatched.map(({ stage, item }) => `${stage}/${item}`).sort()).toEqual(
      ['copy', 'cut'].flatMap((stage) => Array.from({ length: items }, (_, index) => `${stage}/${index}`)).sort(),
    );
    expect(new Set(dispatched.map(attemptOf)).size).toBe(outputs.length);
    expect(new Set(dispatched.map(({ attempt }) => attempt))).toEqual(new Set([1]));
  });

  it('writes one result for each, and claims as many attempts as were dispatched', async () => {
    const results = (await stack.keys('repeated')).filter((key) => key.startsWith('results/'));
    const attempts = stack.dispatched('repeated').map(attemptOf).sort();
    expect(results.sort()).toEqual(attempts.map((attempt) => `results/${attempt}.succeeded.json`));
    expect((await stack.objects('pipelines-state/claims/repeated/')).length).toBeLessThanOrEqual(attempts.length);
    expect((await stack.objects('pipelines-state/runs/repeated/')).length).toBe(attempts.length);
  });

  it('was fed every event of every object as often', () => {
    // Three inputs, an output and a result for each item.
    expect(redelivery.deliveries).toBeGreaterThanOrEqual(times * (3 + 2 * outputs.length));
  });
});
