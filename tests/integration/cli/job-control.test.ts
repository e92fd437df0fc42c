import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { type Ended, millrace } from './millrace.ts';

const OUTPUT = 'stage/segmentation/audio_segments/segment_';

/** Nothing consumes and nothing works here, so only the commands themselves can have done what is found afterwards. */
describe('commands that act on a job', () => {
  let directory: string;
  let stack: TestStack;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-control-'));
    stack = await startTestStack({ workers: 0, consume: false });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<Ended> => millrace(args, { cwd: directory, env: { ...stack.environment } });

  async function submit(job: string, segments = 3): Promise<void> {
    const list = Array.from({ length: segments }, (_, index) => ({ start_sec: index, duration_sec: 1 }));
    await stack.put(job, 'inputs/audio/master.wav', 'sound');
    await stack.put(job, 'segments.json', JSON.stringify(list));
  }

  /** As a worker would have left the item, whose attempt was dispatched. */
  async function end(job: string, item: string, status: 'succeeded' | 'failed', retryable = false): Promise<void> {
    const { store, layout } = stack.planner;
    const one = stack.dispatched(job).findLast((dispatched) => dispatched.item === item);
    if (one === undefined) throw new Error(`${job}/${item} was never dispatched`);
    const { stage, fingerprint, attempt } = one;
    const error = status === 'failed' ? { error: { code: 'INPUT_INVALID', message: 'no sound', retryable } } : {};
    const result = {
      version: 1,
      status,
      job,
      stage,
      item,
      fingerprint,
      attempt,
      written_by: 'worker',
      finished_at: '2026-01-01T00:00:00Z',
    };
    if (status === 'succeeded')
      await store.put(layout.jobKey(job, `${OUTPUT}${item}.wav`), 'made', { metadata: { fingerprint } });
    await store.put(layout.resultKey(job, one, status), JSON.stringify({ ...result, ...error }));
  }

  const phases = async (job: string): Promise<string[]> =>
    (await stack.plan(job)).stages.find(({ name }) => name === 'segmentation')?.items.map(({ phase }) => phase) ?? [];

  it('reconcile dispatches what no event ever told of, once', async () => {
    await submit('lost');
    const first = await run('reconcile', 'lost');
    expect(first).toMatchObject({ code: 0, stdout: 'lost  3 dispatched\n' });
    expect(await run('reconcile', 'lost')).toMatchObject({ code: 0, stdout: 'lost  0 dispatched\n' });
    expect(stack.dispatched('lost')).toHaveLength(3);
  });

  it('reconcile --all looks at every job, and with --since at those that changed', async () => {
    await submit('all-1', 1);
    await submit('all-2', 1);
    const { code, stdout } = await run('reconcile', '--all', '--since', '1h');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^all-1 {2}1 dispatched$/m);
    expect(stdout).toMatch(/^all-2 {2}1 dispatched$/m);
    expect(await run('reconcile', '--all', '--since', '2099-01-01')).toMatchObject({
      stdout: '0 jobs looked at, 0 items dispatched, 0 not reconciled\n',
    });
  });

  it.each([
    [['reconcile'], 'name the jobs, or give --all'],
    [['reconcile', 'a', '--all'], 'not both'],
    [['reconcile', 'a', '--since', '1h'], '--since goes with --all'],
    [['reconcile', '--all', '--since', 'yesterday'], 'expected how long ago'],
    [['retry', 'a', '--item', 'x'], 'expected items such as 57 or 0-4,7'],
  ])('%j is refused', async (args, says) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(64);
    expect(stderr).toContain(says);
  });

  it('retry tries again what failed for good and makes again what is gone, and leaves the rest', async () => {
    await submit('retried');
    await run('reconcile', 'retried');
    await end('retried', '0', 'succeeded');
    await end('retried', '1', 'failed');
    await end('retried', '2', 'succeeded');
    const { store, layout } = stack.planner;
    await store.delete(layout.jobKey('retried', `${OUTPUT}2.wav`));
    expect(await phases('retried')).toEqual(['done', 'failed', 'removed']);

    const { code, stdout } = await run('retry', 'retried', '--stage', 'segmentation', '--item', '1');
    expect(code).toBe(0);
    expect(stdout).toContain('retry  segmentation/1  after attempt 1');
    expect(await phases('retried')).toEqual(['done', 'running', 'removed']);

    await run('retry', 'retried');
    expect(await phases('retried')).toEqual(['done', 'running', 'running']);
    expect(await run('retry', 'retried')).toMatchObject({ code: 0, stdout: 'nothing of retried has failed or is gone\n' });
    expect(stack.dispatched('retried').map(({ item, attempt }) => `${item}.${attempt}`)).toEqual([
      '0.1',
      '1.1',
      '2.1',
      '1.2',
      '2.2',
    ]);
  });

  it('retry does not wait for the delay of an item that is to be tried again', async () => {
    await submit('waits', 1);
    await run('reconcile', 'waits');
    await end('waits', '0', 'failed', true);
    expect(await phases('waits')).toEqual(['retrying']);
    await run('retry', 'waits');
    expect(await phases('waits')).toEqual(['running']);
  });

  it.each(['cancel', 'resume', 'retry'])('%s says so of a mistyped id, and makes no job of it', async (command) => {
    const { code, stderr } = await run(command, 'mistypde');
    expect(code).toBe(64);
    expect(stderr).toContain('there is no job "mistypde"');
    expect(await stack.keys('mistypde')).toEqual([]);
  });

  it('retry names the stages where it is given none of them', async () => {
    await submit('known', 1);
    const { code, stderr } = await run('retry', 'known', '--stage', 'segmentatoin');
    expect(code).toBe(64);
    expect(stderr).toContain('known has no stage "segmentatoin"');
    expect(stderr).toContain('segmentation');
  });

  it.each([
    { args: ['--stage', 'segmentation', '--item', '0,7'], says: ['segmentation of few has no item 7', 'Its items are 0 to 2.'] },
    { args: ['--stage', 'encoding', '--item', '0'], says: ['encoding of few has no item 0', 'millrace status few'] },
    { args: ['--item', '7'], says: ['few has no item 7'] },
  ])('retry $args says which items there are', async ({ args, says }) => {
    await submit('few');
    const { code, stderr } = await run('retry', 'few', ...args);
    expect(code).toBe(64);
    for (const text of says) expect(stderr).toContain(text);
  });

  it('explain tells an item from its claim to its end, and what to do about it', async () => {
    await submit('told');
    await run('reconcile', 'told');
    await end('told', '1', 'failed');
    await end('told', '2', 'succeeded');
    const failed = await run('explain', 'told', 'segmentation/1');
    expect(failed.code).toBe(0);
    expect(failed.stdout).toContain('segmentation/1 of told: failed, INPUT_INVALID: no sound');
    expect(failed.stdout).toMatch(/attempt 1 +claimed by \S+/);
    expect(failed.stdout).toMatch(/attempt 1 +RunPod took it: run \S+ of default, with 2 more of its stage/);
    expect(failed.stdout).toMatch(/attempt 1 +failed, says worker: INPUT_INVALID: no sound/);
    expect(failed.stdout).toContain('millrace retry told --stage segmentation --item 1');

    const running = await run('explain', 'told', 'segmentation/0');
    expect(running.stdout).toContain('segmentation/0 of told: running');
    expect(running.stdout).toContain('RunPod says: queued; no worker is there; check how many the endpoint may have');
    expect(running.stdout).toMatch(/Z +segments\.json was written$/m);
    expect(running.stdout).toMatch(/Z +inputs\/audio\/master\.wav was written$/m);
    expect((await run('explain', 'told', 'segmentation/2')).stdout).toContain('is there, made from what is wanted now');

    const whole = await run('explain', 'told');
    expect(whole.stdout).toContain('failed  segmentation/1  INPUT_INVALID: no sound');
    expect(whole.stdout).toContain('millrace explain told segmentation/0');
  });

  it.each([
    ['segmentation/7', 'told has no segmentation/7: the items of segmentation are 0 to 2'],
    ['encoding/0', 'told has no encoding/0: encoding is off: stage/encoding/encoding.json is not there'],
    ['editing/0', 'told has no stage "editing"'],
    ['segmentation', '"segmentation" names no item'],
  ])('explain %s says why there is nothing to tell', async (item, says) => {
    await submit('told');
    const { code, stderr } = await run('explain', 'told', item);
    expect(code).toBe(64);
    expect(stderr).toContain(says);
  });

  it('cancel stops the runs of a job, and resume goes on with what is not done', async () => {
    await submit('stopped');
    await run('reconcile', 'stopped');
    await end('stopped', '0', 'succeeded');
    expect(await run('cancel', 'stopped', '--reason', 'wrong master')).toMatchObject({
      code: 0,
      stdout: 'cancelled stopped; 2 running items stopped\n',
    });
    expect(JSON.parse((await stack.read('stopped', 'cancel.json')).toString())).toEqual({ reason: 'wrong master' });
    expect(await phases('stopped')).toEqual(['done', 'cancelled', 'cancelled']);
    expect((await run('cancel', 'stopped')).stdout).toBe('was cancelled already: stopped; 0 running items stopped\n');

    const { code, stderr } = await run('retry', 'stopped');
    expect(code).toBe(64);
    expect(stderr).toContain('Run millrace resume stopped first.');

    expect(await run('resume', 'stopped')).toMatchObject({ code: 0, stdout: 'resumed stopped; 2 dispatched\n' });
    expect(await phases('stopped')).toEqual(['done', 'running', 'running']);
    expect((await run('resume', 'stopped')).stdout).toBe('was not cancelled: stopped; 0 dispatched\n');
  });
});
