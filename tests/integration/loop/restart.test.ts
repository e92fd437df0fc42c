import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { type RunningCommand, startMillrace } from '../cli/millrace.ts';
import { masterSeconds, outputsOf, submitLongJob } from './long-job.ts';
import { attemptOf, eventually, startTestStack, type TestStack } from './stack.ts';

const READY = 'consuming';
/** Runs that the endpoint has when the consumer goes: some, and far from all. */
const EARLY = 3;

const LOOK_MS = 2;

const ITEMS = 30;
const OUTPUTS = outputsOf(ITEMS);

describe('a consumer that goes in the middle of a job', () => {
  let directory: string;
  let stack: TestStack;
  let master: string;
  const consumers: RunningCommand[] = [];

  beforeAll(async () => {
    const ffmpeg = ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg';
    directory = await mkdtemp(join(tmpdir(), 'millrace-restart-'));
    master = await makeAudio(ffmpeg, directory, { name: 'master.wav', seconds: masterSeconds(ITEMS) });
    stack = await startTestStack({ consume: false });
  });
  afterAll(async () => {
    await Promise.all(consumers.map((consumer) => consumer.end('SIGKILL')));
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function startConsumer(env: Record<string, string>): Promise<RunningCommand> {
    const consumer = startMillrace(['consume'], {
      cwd: directory,
      env: { ...stack.environment, MILLRACE_VISIBILITY_TIMEOUT_SECONDS: '5', ...env },
    });
    consumers.push(consumer);
    await consumer.stderrLine(READY);
    return consumer;
  }

  const untilDispatched = (job: string, least: number) =>
    immediately(`${job} has ${least} runs`, () => stack.dispatched(job).length >= least);

  async function expectAllMadeAndNothingTwice(job: string): Promise<void> {
    const keys = await stack.keys(job);
    expect(keys.filter((key) => /^(copies|parts)\//.test(key)).sort()).toEqual(OUTPUTS);
    const attempts = stack.dispatched(job).map(attemptOf);
    expect(attempts.length).toBeGreaterThanOrEqual(OUTPUTS.length);
    expect([...new Set(attempts)].length).toBe(attempts.length);
    expect(keys.filter((key) => key.endsWith('.failed.json'))).toEqual([]);
  }

  it('finishes and acknowledges what it has begun when it is told to stop, and the next one goes on', async () => {
    const first = await startConsumer({ MILLRACE_SWEEP_SECONDS: '3600' });
    await submitLongJob(stack, 'stopped', ITEMS, master);
    await untilDispatched('stopped', EARLY);
    expect(await first.end('SIGTERM')).toMatchObject({ code: 0, stdout: '' });
    expect(stack.dispatched('stopped').length).toBeLessThan(OUTPUTS.length);

    const second = await startConsumer({ MILLRACE_SWEEP_SECONDS: '3600' });
    await untilDispatched('stopped', ITEMS + EARLY);
    expect(await second.end('SIGTERM')).toMatchObject({ code: 0 });

    const third = await startConsumer({ MILLRACE_SWEEP_SECONDS: '3600' });
    await stack.untilDone('stopped', 60);
    await expectAllMadeAndNothingTwice('stopped');
    expect(stack.dispatched('stopped').map(({ attempt }) => attempt)).toEqual(OUTPUTS.map(() => 1));
    await third.end('SIGKILL');
  });

  it('loses nothing when it is killed between two effects, and what it had claimed is settled by the next sweep', async () => {
    // Only the second consumer sweeps: the minute's sweep would else be spent before there is anything to settle.
    const first = await startConsumer({ MILLRACE_SWEEP_SECONDS: '3600' });
    await submitLongJob(stack, 'killed', ITEMS, master);
    // A claim is the first effect of a dispatch; its run comes some milliseconds later.
    const claims = join(stack.stack.bucketFolder, 'pipelines-state', 'claims', 'killed');
    await immediately('a claim is there', () => existsSync(claims));
    await first.end('SIGKILL');
    expect(stack.dispatched('killed').length).toBeLessThan(ITEMS);

    const second = await startConsumer({ MILLRACE_SWEEP_SECONDS: '1' });
    await stack.untilDone('killed', 90);
    await expectAllMadeAndNothingTwice('killed');
    // A second attempt is only where the first had been claimed and no run was recorded for it.
    const lost = (await stack.keys('killed')).filter((key) => key.endsWith('.cancelled.json'));
    const again = stack.dispatched('killed').filter(({ attempt }) => attempt > 1);
    expect(
      again.map(({ stage, item, fingerprint }) => `results/${stage}/${item}/${fingerprint}.1.cancelled.json`).sort(),
    ).toEqual(lost.sort());
    expect(lost.length).toBeGreaterThan(0);
    await eventually('all messages are settled', async () => (await stack.waitingMessages()) === 0);
    await second.end('SIGKILL');
  });
});

/** Looks often, because the consumer goes on meanwhile; not all the time, because the bucket and the queue it waits for are in this process. */
async function immediately(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!isSo()) {
    if (Date.now() > deadlineMs) throw new Error(`not so in time: ${what}`);
    await sleep(LOOK_MS);
  }
}
