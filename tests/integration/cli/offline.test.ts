import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { millrace } from './millrace.ts';

const COMMANDS = [
  'dev',
  'demo',
  'submit',
  'status',
  'explain',
  'plan',
  'retry',
  'cancel',
  'resume',
  'reconcile',
  'validate',
  'decode',
  'consume',
  'worker',
];

/** What needs no bucket. */
describe('millrace', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-offline-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  const run = (args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) =>
    millrace(args, { cwd: directory, ...options });

  describe.concurrent('help', () => {
    it.each([[], ...COMMANDS.map((command) => [command])])('%s has examples', async (...words) => {
      const { code, stdout, stderr } = await run([...words, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/\nExamples:\n {2}\$ (npx )?\S*millrace/);
      if (words.length === 0) for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    });

    it('--version prints the version and nothing else', async () => {
      expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
    });
  });

  describe.concurrent('arguments that it does not take', () => {
    it.each([
      { args: ['polish'], says: "unknown command 'polish'" },
      { args: ['status'], says: "missing required argument 'job'" },
      { args: ['status', 'a', 'b'], says: 'too many arguments' },
      { args: ['plan', 'a', '--fast'], says: "unknown option '--fast'" },
      { args: ['validate', 'x.json', '--as', 'poem'], says: 'Allowed choices are segments' },
      { args: ['validate', 'missing.json'], says: 'missing.json cannot be read' },
    ])('$args exits 64', async ({ args, says }) => {
      const { code, stdout, stderr } = await run(args, { env: { VIDEOS_BUCKET: 'videos' } });
      expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
      expect(stderr).toContain(says);
    });
  });

  describe.concurrent('an environment that is not right', () => {
    const WRONG = {
      S3_ENDPOINT_URL: 'bucket.example.com',
      S3_ADDRESSING_STYLE: 'sideways',
      HMAC_KEY: 'GOOGKEY',
      MILLRACE_CONCURRENCY: 'many',
      MILLRACE_STATE_PREFIX: 'pipelines/state',
    };

    it.each([['consume'], ['status', 'talk'], ['dev'], ['worker'], ['validate', 'segments.json']])(
      '%s lists all that is wrong and exits 78',
      async (...args) => {
        const { code, stdout, stderr } = await run(args, { env: WRONG });
        expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
        for (const name of Object.keys(WRONG).filter((each) => each !== 'HMAC_KEY'))
          expect(stderr).toContain(`  ${name}: expected`);
        expect(stderr).toContain('  HMAC_SECRET: expected a value, because HMAC_KEY has one');
        expect(stderr).not.toContain('GOOGKEY');
        expect(stderr).toContain('(CONFIG_INVALID)');
      },
    );

    it('consume names everything that it lacks at once', async () => {
      const { code, stderr } = await run(['consume'], { env: { VIDEOS_BUCKET: 'videos' } });
      expect(code).toBe(78);
      for (const name of ['MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY'])
        expect(stderr).toContain(`  ${name}: expected a value, found nothing`);
    });

    it('a pipeline file that is none is named with its field', async () => {
      const file = join(directory, 'my.pipeline.json');
      await writeFile(file, '{"version":1,"stages":{"one":{"task":"TRANSCODE","output":"a"}}}');
      const { code, stderr } = await run(['status', 'a'], { env: { VIDEOS_BUCKET: 'videos', MILLRACE_PIPELINE_FILE: file } });
      expect(code).toBe(78);
      expect(stderr).toMatch(/stages\.one\.task: expected one of .*"AUDIO_TRIM".*, found "TRANSCODE"/);
    });

    it('a worker outside of RunPod says how to try it', async () => {
      const { code, stderr } = await run(['worker']);
      expect(code).toBe(78);
      expect(stderr).toContain('--test_input');
    });
  });

  describe('validate', () => {
    const segments = (count: number, at: number, wrong: object) =>
      JSON.stringify(
        Array.from({ length: count }, (_, index) => ({ start_sec: index, duration_sec: 1, ...(index === at ? wrong : {}) })),
      );

    it('names the very field that is wrong, and exits 65', async () => {
      await writeFile(join(directory, 'segments.json'), segments(100, 57, { duration_sec: -2 }));
      expect(await run(['validate', 'segments.json'])).toMatchObject({
        ...{ code: 65, stdout: '' },
        stderr: 'segments.json: segments[57].duration_sec: expected a number above 0, found -2\n',
      });
    });

    it('has a line for every wrong field', async () => {
      const { code, stderr } = await run(['validate', '-', '--as', 'segments'], {
        input: segments(3, 1, { start_sec: -1, duration_sec: 'x' }),
      });
      expect(code).toBe(65);
      expect(stderr.trimEnd().split('\n')).toEqual([
        expect.stringMatching(/segments\[1\]\.start_sec/),
        expect.stringMatching(/segments\[1\]\.duration_sec/),
      ]);
    });

    it('says that a manifest is right', async () => {
      expect(await run(['validate', '-', '--as', 'segments'], { input: segments(3, -1, {}) })).toMatchObject({
        code: 0,
        stdout: '-: valid\n',
        stderr: '',
      });
    });

    it('keeps to the limits of the environment', async () => {
      const { code, stderr } = await run(['validate', '-', '--as', 'segments'], {
        input: segments(3, -1, {}),
        env: { MILLRACE_MAX_SEGMENTS: '2' },
      });
      expect(code).toBe(65);
      expect(stderr).toContain('expected at most 2 segments, found 3');
    });

    it('does not guess which manifest a file is', async () => {
      await writeFile(join(directory, 'talk.json'), '{}');
      const { code, stderr } = await run(['validate', 'talk.json']);
      expect(code).toBe(64);
      expect(stderr).toContain('talk.json');
      expect(stderr).toContain('--as');
    });
  });

  describe('worker --test_input', () => {
    const Answer = z.object({ output: z.object({ statusCode: z.literal(200), body: z.string() }) });

    it('prints the answer of PING as one line of JSON and exits 0', async () => {
      const { code, stdout } = await run(['worker', '--test_input', '{"input":{"task":"PING"}}'], {
        env: { MILLRACE_LOG_LEVEL: 'error' },
      });
      expect(code).toBe(0);
      expect(stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(Answer.parse(JSON.parse(stdout)).output.body).not.toBe('');
    });

    it('reads test_input.json where no argument is given', async () => {
      const file = join(directory, 'test_input.json');
      await writeFile(file, '{"id":"mine","input":{"task":"PING"}}');
      const { code, stdout } = await run(['worker']);
      await rm(file);
      expect(code).toBe(0);
      expect(Answer.safeParse(JSON.parse(stdout)).success).toBe(true);
    });

    it.each([
      { what: 'a task that nobody has', input: '{"input":{"task":"TRANSCODE"}}', code: 1, error: 'TASK_UNKNOWN' },
      {
        what: 'parameters that are not right',
        input: '{"input":{"task":"DOWNSAMPLING","parameters":{}}}',
        code: 1,
        error: 'PARAMETERS_INVALID',
      },
      { what: 'something that is no job', input: 'PING', code: 64, error: 'USAGE' },
    ])('answers $what with an error in one line of JSON', async ({ input, code: expected, error }) => {
      const { code, stdout } = await run(['worker', '--test_input', input], { env: { MILLRACE_LOG_LEVEL: 'error' } });
      expect(code).toBe(expected);
      expect(stdout.trimEnd().split('\n')).toHaveLength(1);
      const answer: unknown = JSON.parse(stdout);
      expect(answer).toHaveProperty('error');
      expect(stdout).toContain(error);
    });
  });

  it('leaves nothing behind in the folder where it is called', async () => {
    expect((await readdir(directory)).sort()).toEqual(['my.pipeline.json', 'segments.json', 'talk.json']);
  });
});
