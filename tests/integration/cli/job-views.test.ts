import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Pipeline } from '../../../manifests/pipeline.ts';
import type { Result } from '../../../manifests/result.ts';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { type Ended, millrace } from './millrace.ts';

const FOLDER = 'stage/segmentation/audio_segments';

const PlanDocument = z.object({
  job: z.string(),
  stopped: z.null(),
  dispatch: z.array(
    z.strictObject({
      stage: z.string(),
      item: z.string(),
      fingerprint: z.string(),
      attempt: z.number(),
      why: z.string(),
      output: z.string(),
    }),
  ),
  cancel: z.array(z.unknown()),
  problems: z.array(z.unknown()),
  stages: z.array(
    z.object({ name: z.string(), phase: z.string(), items: z.array(z.object({ phase: z.string(), why: z.string() })) }),
  ),
});

/** Nothing consumes here: what the commands say is what the bucket holds, put there item by item. */
describe('plan and status', () => {
  let directory: string;
  let stack: TestStack;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-views-'));
    stack = await startTestStack({ workers: 0, consume: false });
    await Promise.all([putHalf(), putBroken(), putCancelled(), putDone()]);
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const run = (...args: string[]): Promise<Ended> => millrace(args, { cwd: directory, env: { ...stack.environment } });

  /** Five segments: one by hand, one running, one that failed and may be tried again, one that may not, one never tried. */
  async function putHalf(): Promise<void> {
    const segments = [0, 1, 2, 3, 4].map((start) => ({ start_sec: start, duration_sec: 1 }));
    await stack.put('half', 'pipeline.json', await patientPipeline());
    await stack.put('half', 'segments.json', JSON.stringify(segments));
    await stack.put('half', 'inputs/audio/master.wav', 'sound');
    await stack.put('half', 'stage/encoding/encoding.json', '{"language":"en"}');
    await stack.put('half', `${FOLDER}/segment_0.wav`, 'by hand');
    const { dispatch } = await stack.plan('half');
    const { store, layout } = stack.planner;
    const [running, again, failed] = dispatch;
    if (running === undefined || again === undefined || failed === undefined) throw new Error('no dispatches');
    await store.put(layout.stateKey('claims', 'half', running), '{}');
    for (const [item, retryable, code] of [
      [again, true, 'SOURCE_UNREACHABLE'],
      [failed, false, 'INPUT_TOO_SHORT'],
    ] as const) {
      const { stage, fingerprint, attempt } = item;
      const result: Result = {
        ...{ version: 1, status: 'failed', job: 'half', stage, item: item.item, fingerprint, attempt, written_by: 'worker' },
        finished_at: '2026-11-22T10:00:00.000Z',
        error: { code, message: 'as it was', retryable },
      };
      await store.put(layout.resultKey('half', item, 'failed'), JSON.stringify(result));
    }
  }

  /** The built-in one, but what failed waits for an hour: longer than this test. */
  async function patientPipeline(): Promise<string> {
    const file = new URL('../../../manifests/built-in.pipeline.json', import.meta.url);
    const pipeline = Pipeline.parse(JSON.parse(await readFile(file, 'utf8')));
    for (const stage of Object.values(pipeline.stages)) stage.retry_delay_sec = 3600;
    return JSON.stringify(pipeline);
  }

  const putBroken = () => stack.put('broken', 'segments.json', '[{"start_sec":0,"duration_sec":-2}]');

  async function putCancelled(): Promise<void> {
    await stack.put('stopped', 'inputs/video/source.mp4', 'film');
    await stack.put('stopped', 'cancel.json', '{"reason":"wrong film"}');
  }

  async function putDone(): Promise<void> {
    await stack.put('finished', 'inputs/video/source.mp4', 'film');
    await stack.put('finished', 'stage/downsample/downsampled.mp4', 'small film');
  }

  describe('plan', () => {
    it('prints what would run and why, and why the rest would not', async () => {
      const { code, stdout, stderr } = await run('plan', 'half');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      expect(lines).toContainEqual(
        expect.stringMatching(/^dispatch {2}segmentation\/4 {2}attempt 1 .*segment_4\.wav {2}because ./),
      );
      expect(lines.filter((line) => line.startsWith('dispatch'))).toHaveLength(1);
      expect(lines).toContainEqual(expect.stringMatching(/^retrying {2}segmentation\/2 .*SOURCE_UNREACHABLE.*; again at 20/));
      expect(lines).toContainEqual(expect.stringMatching(/^running {3}segmentation\/1$/));
      expect(lines).toContainEqual(expect.stringMatching(/^failed {4}segmentation\/3 .*INPUT_TOO_SHORT/));
      expect(lines).toContainEqual(expect.stringMatching(/^waiting {3}encoding\/0 .*concatenated\.mp4/));
      expect(stdout).not.toMatch(/segmentation\/0/);
    });

    it('prints the same as one JSON document, and changes nothing', async () => {
      const before = await stack.objects('');
      const { code, stdout, stderr } = await run('plan', 'half', '--json');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const document = PlanDocument.parse(JSON.parse(stdout));
      expect(document).toMatchObject({ job: 'half', cancel: [], problems: [] });
      expect(document.dispatch.map(({ item, attempt, output }) => [item, attempt, output])).toEqual([
        ['4', 1, `${FOLDER}/segment_4.wav`],
      ]);
      const segmentation = document.stages.find(({ name }) => name === 'segmentation');
      expect(segmentation?.items.map(({ phase }) => phase)).toEqual(['done', 'running', 'retrying', 'failed', 'dispatch']);
      expect(segmentation?.items[0]?.why).toBe('put there by hand');
      expect(await stack.objects('')).toEqual(before);
    });

    it('says where nothing is to be done, and where a job is stopped', async () => {
      expect((await run('plan', 'finished')).stdout).toBe('nothing to dispatch for finished\n');
      expect((await run('plan', 'stopped')).stdout).toContain('cancelled: nothing is dispatched');
      expect((await run('plan', 'broken')).stdout).toContain('segments[0].duration_sec: expected a number above 0, found -2');
    });
  });

  describe('status', () => {
    it('shows each stage with its share, and what failed with its reason', async () => {
      const { code, stdout } = await run('status', 'half');
      expect(code, 'an item has failed for good').toBe(1);
      const lines = stdout.trimEnd().split('\n');
      expect(lines[0]).toBe('half: working');
      expect(lines).toContainEqual(
        expect.stringMatching(/^segmentation +████░{16} +1\/5 +1 running, 1 to dispatch, 1 retrying, 1 failed$/),
      );
      expect(lines).toContainEqual(expect.stringMatching(/^failed segmentation\/3: .*INPUT_TOO_SHORT.*as it was/));
    });

    it('is one JSON document with --json', async () => {
      const { code, stdout, stderr } = await run('status', 'half', '--json');
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      const document: unknown = JSON.parse(stdout);
      expect(document).toMatchObject({ job: 'half', state: 'working', problems: [] });
      expect(document).toHaveProperty(
        ['stages', 1, 'counts'],
        expect.objectContaining({ total: 5, done: 1, running: 1, dispatch: 1, retrying: 1, failed: 1 }),
      );
    });

    it.each([
      { job: 'broken', state: 'failed', code: 1 },
      { job: 'finished', state: 'done', code: 0 },
      { job: 'stopped', state: 'cancelled', code: 0 },
    ])('watches a job that is $state to its end at once, and exits with $code', async ({ job, state, code }) => {
      const watched = await run('status', job, '--watch', '--json');
      expect(watched.code).toBe(code);
      expect(watched.stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(JSON.parse(watched.stdout)).toMatchObject({ job, state });
    });

    it('names the problem that stands in the way', async () => {
      const { code, stdout } = await run('status', 'broken');
      expect(code).toBe(1);
      const lines = stdout.split('\n');
      const problem = 'segments.json: segments[0].duration_sec: expected a number above 0, found -2';
      expect(lines).toContain(`problem ${problem}`);
      expect(lines).toContainEqual(expect.stringMatching(/^ {8}Correct segments\.json and write it again/));
      expect(lines).toContainEqual(expect.stringMatching(/^segmentation +░+ +blocked {2}segments\.json: /));
    });

    it('has a sentence for a job that is not there', async () => {
      expect(await run('status', 'nowhere')).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('nowhere: nothing to do'),
      });
      const { stdout } = await run('status', 'nowhere', '--json');
      expect(JSON.parse(stdout)).toMatchObject({ job: 'nowhere', state: 'empty' });
    });

    it('colours nothing in a pipe, and not for NO_COLOR either', async () => {
      const { stdout } = await run('status', 'half');
      expect(stripVTControlCharacters(stdout)).toBe(stdout);
      const forced = await millrace(['status', 'half'], { cwd: directory, env: { ...stack.environment, FORCE_COLOR: '1' } });
      expect(stripVTControlCharacters(forced.stdout)).not.toBe(forced.stdout);
      const refused = await millrace(['status', 'half'], { cwd: directory, env: { ...stack.environment, NO_COLOR: '1' } });
      expect(stripVTControlCharacters(refused.stdout)).toBe(refused.stdout);
    });
  });

  it.each(['../up', '', '-x', 'a/b'])('take %j for no job id', async (job) => {
    for (const command of ['plan', 'status']) {
      const { code, stdout } = await run(command, job);
      expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    }
  });

  it('say that the bucket does not answer, with the exit code for it', async () => {
    const environment = { ...stack.environment, S3_ENDPOINT_URL: 'http://127.0.0.1:9' };
    const { code, stdout, stderr } = await millrace(['status', 'half'], { cwd: directory, env: environment });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(/STORE_UNREACHABLE/);
  });

  it('say that the bucket refuses the keys, without showing them', async () => {
    const environment = { ...stack.environment, HMAC_SECRET: 'another-secret-than-that' };
    const { code, stdout, stderr } = await millrace(['status', 'half'], { cwd: directory, env: environment });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(/STORE_FORBIDDEN/);
    expect(stderr).not.toContain('another-secret-than-that');
  });
});
