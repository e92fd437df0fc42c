/** Runs the command lines of the README, of docs/ and of infra/, in the order of each page, against a local stack with a job in it. */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
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
const JOB = 'talk-1';
const SEGMENTS = 60;
const SEGMENT_SECONDS = 0.1;

/** Run here as they are, with `millrace` and `npx millrace` being this checkout's. */
const RUN_HERE = new Set(['millrace', 'sed', 'mkdir', 'cat']);

/** What is only looked at: its syntax, and for npm that there is such a script. */
const NOT_RUN_HERE: Readonly<Record<string, string>> = {
  npm: 'each script has a test of its own, or is this suite',
  node: 'names a program of this checkout, which is looked for',
};

/** Serve until they are told to stop. */
const SERVERS = new Set(['dev', 'consume', 'api']);

/** Done, and an answer that is no failure of the command: something in the job has failed. */
const ALLOWED_EXIT_CODES = [0, 1];

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
  const receiver = createServer((_, response) => void response.end());

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-commands-'));
    shims = join(directory, 'bin');
    await mkdir(shims);
    const millrace = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${MAIN}" "$@"`;
    await program('millrace', millrace);
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
      seconds: SEGMENTS * SEGMENT_SECONDS,
      codec: ['-c:a', 'aac'],
    });
    await writeFile(join(cwd, 'message.json'), notificationOf('videos'));
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
      const [, subcommand = ''] = line.slice(line.indexOf(name)).split(/\s+/);
      if (!RUN_HERE.has(name)) {
        expect(NOT_RUN_HERE, `${page}: nobody said why "${line}" is not run`).toHaveProperty([name]);
        expect(await run(`bash -n <<'SYNTAX'\n${line}\nSYNTAX`, cwd), line).toMatchObject({ code: 0 });
        if (name === 'npm') expectScript(line);
        continue;
      }
      if (name === 'millrace' && SERVERS.has(subcommand)) continue;
      const ran = await run(await fillIn(command, cwd, letters), cwd);
      expect(ALLOWED_EXIT_CODES, `${page}: ${line}\n${ran.output}`).toContain(ran.code);
    }
  });

  function expectScript(line: string): void {
    const [, name = ''] = /^npm (?:run )?(\S+)/.exec(line) ?? [];
    if (name !== 'ci' && name !== 'install') expect(packageJson.scripts, line).toHaveProperty([name]);
  }
});
