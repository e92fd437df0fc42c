/** Runs the command lines of the README, of docs/ and of infra/, in the order of each page, against a local stack with a job in it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { eventually, startTestStack, type TestStack } from '../loop/stack.ts';
import { commandsOf, type DocumentedCommand, PAGES, unmarkedCommandsOf } from './commands.ts';

const MAIN = fileURLToPath(new URL('../../../cli/main.ts', import.meta.url));
const BUILT_IN_PIPELINE = new URL('../../../manifests/built-in.pipeline.json', import.meta.url);
const JOB = 'talk-1';
const SEGMENTS = 60;
const SEGMENT_SECONDS = 0.1;
/** The pages of the clouds cut two segments of five seconds from the same file. */
const TALK_SECONDS = 10;

/** Run here as they are, with `millrace`, `npx millrace` and `node bin/millrace.mjs` being this checkout's. */
const RUN_HERE = new Set(['millrace', 'sed', 'echo']);

const CLOUD = 'asks a cloud; what it is told is held to the provider by the suites of infra/';
const SHELL = 'moves about in a checkout, or changes it';
/** Their syntax is checked, and that the scripts and files that they name are there. */
const NOT_RUN_HERE: Readonly<Record<string, string>> = {
  npm: 'each script has a test of its own, or is this suite',
  node: 'the program has a suite of its own',
  curl: 'asks a server that has an address of its own on each machine',
  ...{ terraform: CLOUD, aws: CLOUD, gcloud: CLOUD, npx: CLOUD },
  ...{ cd: SHELL, set: SHELL, chmod: SHELL, cp: SHELL, rm: SHELL, umask: SHELL, git: SHELL, export: SHELL },
  docker: 'needs an engine; infra/image builds and proves the same file without one',
  'apt-get': 'changes the machine',
  'infra/image/build-without-docker.sh': 'takes minutes, and a machine on which that may be installed',
};

/** Serve until they are told to stop: each has a suite of its own. */
const SERVERS = new Set(['dev', 'consume', 'api']);

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

const perPage = PAGES.map((page) => ({ page, commands: commandsOf(page) })).filter(({ commands }) => commands.length > 0);

describe.each(PAGES)('%s', (page) => {
  it('marks every command as one', () => {
    expect(unmarkedCommandsOf(page)).toEqual([]);
  });
});

describe('the commands of the pages', () => {
  let directory: string;
  let shims: string;
  let stack: TestStack;
  let settings: Record<string, string>;
  /** What the pages before said too. */
  const seen = new Set<string>();
  const receiver = createServer((_, response) => void response.end());

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-commands-'));
    shims = join(directory, 'bin');
    await mkdir(shims);
    const millrace = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${MAIN}" "$@"`;
    await program('millrace', millrace);
    await program('node', `[ "$1" = bin/millrace.mjs ] && shift && ${millrace}; exit 97`);
    await program('npx', `[ "$1" = millrace ] && shift && ${millrace}; echo "npx $*: not here" >&2; exit 97`);
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const address = receiver.address();
    const host = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    const webhooks = {
      MILLRACE_WEBHOOK_URL: `http://${host}/hook`,
      MILLRACE_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
      HTTP_ALLOW_HOSTS: host,
    };
    stack = await startTestStack({ workers: 2, env: webhooks });
    settings = { ...stack.environment, ...webhooks };
  });
  afterAll(async () => {
    receiver.close();
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function program(name: string, script: string): Promise<void> {
    const file = join(shims, name);
    await writeFile(file, `#!/bin/bash\n${script}\n`);
    await chmod(file, 0o755);
  }

  /** The files that the pages speak of, and dead letters of two reasons. */
  async function prepare(cwd: string): Promise<void> {
    await mkdir(cwd, { recursive: true });
    const segments = Array.from({ length: SEGMENTS }, (_, index) => ({
      start_sec: index * SEGMENT_SECONDS,
      duration_sec: SEGMENT_SECONDS,
    }));
    await writeFile(join(cwd, 'segments.json'), JSON.stringify({ segments }));
    await makeAudio(ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg', cwd, {
      name: 'talk.m4a',
      seconds: TALK_SECONDS,
      codec: ['-c:a', 'aac'],
    });
    await writeFile(join(cwd, 'message.json'), notificationOf('videos'));
    await copyFile(BUILT_IN_PIPELINE, join(cwd, 'pipeline.json'));
    // Another page may have left the job cancelled.
    await stack.planner.store.delete(stack.planner.layout.jobKey(JOB, 'cancel.json'));
  }

  const notificationOf = (bucket: string) =>
    JSON.stringify({
      Records: [
        {
          ...{
            eventVersion: '2.1',
            eventSource: 'aws:s3',
            eventTime: '2026-11-05T10:00:00.000Z',
            eventName: 'ObjectCreated:Put',
          },
          s3: {
            bucket: { name: bucket },
            object: { key: `pipelines/${JOB}/segments.json`, size: 2, eTag: 'e', sequencer: '01' },
          },
        },
      ],
    });

  async function deadLetters(cwd: string): Promise<string[]> {
    const { output } = await run('millrace dead-letters list --each --json 2>/dev/null', cwd);
    return [...output.matchAll(/"id": *"([^"]+)"/g)].map(([, id]) => id ?? '');
  }

  async function putDeadLetters(cwd: string): Promise<string[]> {
    for (const MessageBody of ['no JSON', notificationOf('old-bucket')]) {
      await stack.sqs.send(new SendMessageCommand({ QueueUrl: settings.MILLRACE_QUEUE_URL, MessageBody }));
    }
    await eventually('both are dead letters', async () => (await deadLetters(cwd)).length >= 2);
    return deadLetters(cwd);
  }

  /** One line, as a shell has it. */
  async function run(line: string, cwd: string): Promise<Ran> {
    const child = spawn('bash', ['-c', line], {
      cwd,
      env: {
        ...settings,
        PATH: `${shims}${delimiter}${process.env.PATH}`,
        HOME: cwd,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [output, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ]);
    return { code, output: output + (code === 0 ? '' : errors) };
  }

  /** The names that a page leaves to its reader. */
  async function fillIn({ line }: DocumentedCommand, cwd: string, letters: readonly string[]): Promise<string> {
    if (!line.includes('<id>')) return line;
    if (line.includes('dead-letters')) return line.replace('<id>', letters[0] ?? '');
    const { output } = await run(`millrace webhooks ${JOB} --json`, cwd);
    const [, id = ''] = /"id": *"([^"]+)"/.exec(output) ?? [];
    return line.replace('<id>', id);
  }

  it.each(perPage)('$page', async ({ page, commands }) => {
    const cwd = join(directory, page.replaceAll('/', '-'));
    await prepare(cwd);
    const letters = commands.some(({ line }) => line.includes('dead-letters')) ? await putDeadLetters(cwd) : [];
    for (const command of commands) {
      const { line, program: name } = command;
      const [, subcommand = ''] = withoutComment(line).split(/\s+/);
      if (!RUN_HERE.has(name)) {
        expect(NOT_RUN_HERE, `${page}: nobody said why "${line}" is not run`).toHaveProperty([name]);
        const filled = line.replaceAll(/<[\w ]+>/g, 'something');
        expect(await run(`bash -n <<'SYNTAX'\n${filled}\nSYNTAX`, cwd), line).toMatchObject({ code: 0 });
        expectNamed(line);
        continue;
      }
      if (name === 'millrace' && SERVERS.has(subcommand)) continue;
      // The pages of the clouds say the same; what is done with dead letters differs with those that are there.
      if (name === 'millrace' && subcommand !== 'dead-letters' && seen.has(withoutComment(line))) continue;
      const { code, output } = await run(await fillIn(command, cwd, letters), cwd);
      expect(code, `${page}: ${line}\n${output}`).toBe(0);
    }
    for (const { line } of commands) seen.add(withoutComment(line));
  });

  const withoutComment = (line: string) =>
    line.replace(/\s+# .*$/, '').replace(/^(npx millrace|node bin\/millrace\.mjs)/, 'millrace');

  /** The script that npm is to run, and every program of this checkout. */
  function expectNamed(line: string): void {
    const [, script] = /\bnpm (?:run )?(\S+)/.exec(line) ?? [];
    if (script !== undefined && script !== 'ci') expect(packageJson.scripts, line).toHaveProperty([script]);
    for (const [file] of line.matchAll(/(?<=^|\s)(infra|docs|bench|bin)\/\S+\.(ts|mjs|sh)\b/g)) {
      expect(existsSync(new URL(`../../../${file}`, import.meta.url)), line).toBe(true);
    }
  }
});
