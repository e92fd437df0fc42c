import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { masterSeconds, outputsOf, submitLongJob } from '../loop/long-job.ts';
import { attemptOf, eventually, type StackView, viewStack } from '../loop/stack.ts';
import { millrace, type RunningCommand, startMillrace } from './millrace.ts';
import { childrenOf, isRunning } from './process-tree.ts';

const ITEMS = 8;

const DevFile = z.object({ pid: z.int(), environment: z.record(z.string(), z.string()) });

describe('millrace dev', () => {
  let directory: string;
  const running = new Set<RunningCommand>();

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-dev-'));
  });
  afterAll(async () => {
    await Promise.all([...running].map((dev) => dev.end('SIGKILL')));
    await rm(directory, { recursive: true, force: true });
  });

  async function startDev(
    dataDir: string,
    env: Record<string, string> = {},
    args: readonly string[] = [],
  ): Promise<RunningCommand> {
    const dev = startMillrace(['dev', '--port', '0', '--json', ...args], {
      cwd: directory,
      env: { MILLRACE_DATA: dataDir, ...env },
    });
    running.add(dev);
    await dev.firstLine;
    return dev;
  }

  async function viewOf(dataDir: string): Promise<StackView> {
    const { environment } = DevFile.parse(JSON.parse(await readFile(join(dataDir, 'dev.json'), 'utf8')));
    return viewStack(dataDir, environment);
  }

  it('says in one line of JSON where everything is, and stops everything at SIGTERM', async () => {
    const dataDir = join(directory, 'plain');
    const dev = await startDev(dataDir);

    const url = expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+/);
    const text = expect.stringMatching(/./);
    expect(JSON.parse(await dev.firstLine)).toStrictEqual({
      bucket: { name: 'videos', endpoint: url, region: 'us-east-1', accessKeyId: text, secretAccessKey: text },
      queue: { kind: 'sqs', url, deadLetterUrl: url, endpoint: url },
      runpod: { url, apiKey: text },
      api: { url, token: text },
    });
    const devFile = join(dataDir, 'dev.json');
    expect(DevFile.parse(JSON.parse(await readFile(devFile, 'utf8'))).pid).toBe(dev.pid);
    expect((await stat(devFile)).mode & 0o077).toBe(0);
    const workers = await childrenOf(dev.pid);
    expect(workers).toHaveLength(2);

    const found = await millrace(['status', 'nothing-yet'], { cwd: directory, env: { MILLRACE_DATA: dataDir } });
    expect(found).toMatchObject({ code: 0, stderr: `using the running millrace dev (${dataDir})\n` });

    const ended = await dev.end('SIGTERM');
    expect(ended).toMatchObject({ code: 0, signal: null });
    expect(ended.stdout.trim().split('\n')).toHaveLength(1);
    expect(workers.filter(isRunning)).toEqual([]);
    expect(existsSync(devFile)).toBe(false);

    // Nothing runs there now, and the environment names nothing else.
    const gone = await millrace(['status', 'nothing-yet'], { cwd: directory, env: { MILLRACE_DATA: dataDir } });
    expect(gone).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining('No `millrace dev` is running here') });
  });

  it('takes its own data up again with the same keys, and tells people how to begin', async () => {
    const dataDir = join(directory, 'plain');
    const before = await readFile(join(dataDir, 'keys.json'), 'utf8');
    const dev = startMillrace(['dev', '--port', '0', '--workers', '0', '--no-consumer'], {
      cwd: directory,
      env: { MILLRACE_DATA: dataDir },
    });
    running.add(dev);
    await dev.firstLine;
    await eventually('it is ready', async () => existsSync(join(dataDir, 'dev.json')));
    expect(await childrenOf(dev.pid)).toEqual([]);
    expect((await stat(join(dataDir, 'keys.json'))).mode & 0o077).toBe(0);
    expect(await readFile(join(dataDir, 'keys.json'), 'utf8')).toBe(before);
    const { code, stdout } = await dev.end('SIGINT');
    expect(code).toBe(0);
    expect(stdout).toContain('npx millrace submit talk-1 talk.m4a segments.json');
  });

  it('killed in the middle of a job, it leaves no worker behind, and started again it finishes the job', async () => {
    const dataDir = join(directory, 'killed');
    const master = await makeAudio(ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg', directory, {
      name: 'master.wav',
      seconds: masterSeconds(ITEMS),
    });
    const first = await startDev(dataDir, { MILLRACE_SWEEP_SECONDS: '3600' });
    const before = await viewOf(dataDir);
    await submitLongJob(before, 'killed', ITEMS, master);
    await eventually('something is made', async () => (await before.keys('killed')).some((key) => key.startsWith('parts/')));
    const workers = await childrenOf(first.pid);
    expect(workers).toHaveLength(2);
    await first.end('SIGKILL');
    before.close();
    await eventually('the workers have ended by themselves', () => !workers.some(isRunning), 15);

    // Its dev.json is still there, and nobody takes it for a running one.
    expect(existsSync(join(dataDir, 'dev.json'))).toBe(true);
    const orphan = await millrace(['status', 'killed'], { cwd: directory, env: { MILLRACE_DATA: dataDir } });
    expect(orphan).toMatchObject({ code: 78, stderr: expect.stringContaining('No `millrace dev` is running here') });

    const second = await startDev(dataDir, { MILLRACE_SWEEP_SECONDS: '1' });
    const after = await viewOf(dataDir);
    // A run whose worker was killed is given to another after three missed pings.
    await after.untilDone('killed', 90);
    const keys = await after.keys('killed');
    expect(keys.filter((key) => /^(parts|copies)\//.test(key)).sort()).toEqual(outputsOf(ITEMS));
    const attempts = after.dispatched('killed').map(attemptOf);
    expect(new Set(attempts).size).toBe(attempts.length);
    expect(keys.filter((key) => key.endsWith('.failed.json'))).toEqual([]);
    after.close();
    expect(await second.end('SIGTERM')).toMatchObject({ code: 0 });
  });

  it.each([
    { what: 'a port that is none', args: ['--port', '70000'], says: 'expected a whole number from 0 to 65532' },
    { what: 'a number of workers that is none', args: ['--workers', 'two'], says: 'expected a whole number from 0 to 64' },
  ])('refuses $what', async ({ args, says }) => {
    const { code, stdout, stderr } = await millrace(['dev', ...args], { cwd: directory });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toContain(says);
  });
});
