import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkOutputs } from '../../../cli/demo/checks.ts';
import { locate } from '../../../handlers/ffmpeg/locate.ts';

const DEMO_TIME_LIMIT_MS = 240_000;

/** Other people's settings, which must not reach the demo. */
const STRANGE_SHELL = {
  VIDEOS_BUCKET: 's3://production',
  S3_ENDPOINT_URL: 'http://127.0.0.1:9',
  MILLRACE_PIPELINES_PREFIX: 'elsewhere',
  MILLRACE_CONCURRENCY: 'many',
};

describe('millrace demo', () => {
  let folder: string;
  let child: ChildProcess | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
  });
  afterEach(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });

  function startDemo() {
    const args = ['cli/main.ts', 'demo', '--data', folder];
    const started = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, HOME: folder, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...STRANGE_SHELL },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    const output = { stdout: '', stderr: '' };
    started.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
    });
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    const exited = once(started, 'close').then(() => started.exitCode);
    const printed = (text: string) =>
      new Promise<void>((resolve, reject) => {
        started.once('close', () => reject(new Error(`ended without printing "${text}": ${output.stderr}`)));
        started.stdout.on('data', () => {
          if (output.stdout.includes(text)) resolve();
        });
      });
    return { process: started, output, exited, printed };
  }

  test(
    'sends two jobs through the whole loop, checks every output, and leaves no process behind',
    async () => {
      const demo = startDemo();
      await demo.printed('started bucket');
      const workers = await childrenOf(demo.process.pid ?? 0);

      expect([await demo.exited, demo.output.stderr]).toEqual([0, '']);

      const { stdout } = demo.output;
      expect(workers).toHaveLength(2);
      expect(workers.filter(isRunning)).toEqual([]);
      expect(stdout).toContain('All 16 outputs are right: 16 items,');
      expect(stdout.match(/✓/g)).toHaveLength(16);
      expect(stdout).not.toContain('✗');
      expect(stdout).toMatch(/✓ {2}segment_0\.wav +5\.240 s {2}251,520 samples .* exact/);
      expect(stdout).toMatch(/✓ {2}segment_9\.wav +7\.000 s {2}336,000 samples .* padded to 7 s/);
      expect(stdout).toMatch(/✓ {2}downsampled\.mp4 .* 202x360 .* shaped like 720x1280/);
      expect(stdout).toMatch(/✓ {2}output\.mp4 .* 640x360 .* subtitles are in the picture/);
      const [, outputFile = ''] = /See it: +(\S+)/.exec(stdout) ?? [];
      expect((await stat(outputFile)).size).toBeGreaterThan(100_000);
      const lines = (await readFile(join(folder, 'demo.log'), 'utf8')).trim().split('\n');
      expect(lines.map((line) => JSON.parse(line).name)).toEqual(expect.arrayContaining(['demo', 'worker']));

      expect(await wrongAfterTampering(folder)).toEqual({
        'stage/segmentation/audio_segments/segment_0.wav': "not the master's sound from 0 s",
        'stage/segmentation/audio_segments/segment_1.wav': '324,480 samples were asked for',
        'stage/segmentation/audio_segments/segment_2.wav': 'not there',
        'stage/concatenation/concatenated.mp4': "not the clips' usual 640x360",
        'exports/output.mp4': 'no subtitle in the picture at 20.30 s',
      });
    },
    DEMO_TIME_LIMIT_MS,
  );

  test(
    'stops at SIGINT with 130 and leaves no process behind',
    async () => {
      const demo = startDemo();
      await demo.printed('started bucket');
      const workers = await childrenOf(demo.process.pid ?? 0);
      // How many at once depends on the machine.
      await demo.printed(' running');

      demo.process.kill('SIGINT');

      expect(await demo.exited).toBe(130);
      expect(workers).toHaveLength(2);
      expect(workers.filter(isRunning)).toEqual([]);
      expect(demo.output.stderr).toBe('Stopped before the end.\n');
    },
    DEMO_TIME_LIMIT_MS,
  );
});

/** What the demo's checks say once its outputs are no longer what they were. */
async function wrongAfterTampering(folder: string): Promise<Record<string, string>> {
  const fileOf = (job: string, key: string) => join(folder, 'bucket/videos/pipelines', job, key);
  const talk = (key: string) => fileOf('demo-talk', key);
  const segment = (index: number) => talk(`stage/segmentation/audio_segments/segment_${index}.wav`);
  const late = await readFile(segment(0));
  await writeFile(segment(0), Buffer.concat([late.subarray(0, 44), late.subarray(48), late.subarray(-4)]));
  await truncate(segment(1), (await stat(segment(1))).size - 4);
  await rm(segment(2));
  const joined = talk('stage/concatenation/concatenated.mp4');
  await copyFile(joined, talk('exports/output.mp4'));
  const media = (name: string) => join(folder, 'media', name);
  const made = { master: media('master.m4a'), landscape: media('landscape.mp4'), portrait: media('portrait.mp4') };
  const check = async () =>
    checkOutputs({ tools: await locate(), media: made, fileOf, signal: new AbortController().signal }).then((outputs) =>
      outputs.filter(({ isRight }) => !isRight).map(({ key, finding }) => [key, finding] as const),
    );
  const wrong = await check();
  await copyFile(talk('inputs/video/source.mp4'), joined);
  const laterWrong = (await check()).filter(([key]) => key === 'stage/concatenation/concatenated.mp4');
  return Object.fromEntries([...wrong, ...laterWrong]);
}

async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
