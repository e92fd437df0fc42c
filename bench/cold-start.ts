/**
 * How long a fresh worker process takes until it asks for its first job, beside an empty Node process started in the same round:
 * with and without compiled code kept from an earlier start, and where the time goes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeFlags } from '../bin/setup.mjs';
import { formatTable } from '../cli/terminal.ts';
import { type LocalEndpoint, startEndpoint } from '../local/endpoint/endpoint.ts';
import { silentLogger } from '../log.ts';
import { type Bench, median } from './measurement.ts';

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const TIME_LIMIT_MS = 60_000;
/** In its log, once what processes jobs is loaded and ffmpeg is found. */
const READY = '"found ffmpeg"';

export interface ColdStartOptions {
  /** Each way is started so often; the report has the medians. */
  readonly rounds: number;
}

/** Medians, in milliseconds since the process was spawned. */
export interface ColdStart {
  /** The command line and the worker's modules are loaded: `millrace worker --help` has ended. */
  readonly loadedMs: number;
  /** Its first request for a job has reached the endpoint. */
  readonly firstTakeMs: number;
  /** A job would be processed from here on: what does that is loaded beside the first request, and ffmpeg is found. */
  readonly readyMs: number;
  /** Of `firstTakeMs`: how often an empty Node process fits into it. */
  readonly emptyProcesses: number;
}

/** Of commands that do nothing but answer: medians, in milliseconds, with compiled code kept. */
export interface CommandStart {
  readonly command: string;
  readonly ms: number;
}

export interface ColdStartReport {
  readonly rounds: number;
  readonly commands: readonly CommandStart[];
  /** `node -e 0`, from its spawning to its end. */
  readonly emptyProcessMs: number;
  /** As `bin/millrace.mjs` and the image start it, from the second time on. */
  readonly withCompileCache: ColdStart;
  readonly withoutCompileCache: ColdStart;
}

type Environment = Readonly<Record<string, string>>;

interface WorkerStart {
  readonly firstTakeMs: number;
  readonly readyMs: number;
}

/** What people wait for at a terminal: nothing of it needs a bucket. */
const COMMANDS = [['--version'], ['--help'], ['validate', '--help'], ['status', '--help'], ['consume', '--help']];

/** Throws where a worker ends, or is silent for a minute, before it asks for a job and is ready for one. */
export async function measureColdStart({ rounds }: ColdStartOptions): Promise<ColdStartReport> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const takes = new Map<string, () => void>();
  const endpoint = await startEndpoint({
    dataDir: join(directory, 'endpoint'),
    port: 0,
    apiKey: 'bench',
    log: silentLogger,
    onRequest({ url }) {
      const [, workerId = ''] = /\/job-take(?:-batch)?\/([^/?]+)/.exec(url) ?? [];
      takes.get(workerId)?.();
      return undefined;
    },
  });
  const inherited = Object.fromEntries(['PATH', 'HOME'].flatMap((name) => entryOf(name, process.env[name])));
  const plain = { ...inherited, MILLRACE_WORK_DIR: join(directory, 'work') };
  const cached = { ...plain, NODE_COMPILE_CACHE: join(directory, 'compiled') };
  const empty: number[] = [];
  const commands = COMMANDS.map((args) => ({ args, times: [] as number[] }));
  const ways = [
    { env: plain, loaded: [] as number[], starts: [] as WorkerStart[] },
    { env: cached, loaded: [] as number[], starts: [] as WorkerStart[] },
  ] as const;
  try {
    // Fills the cache, and the system's own.
    await startWorker('warm-up', cached, endpoint, takes);
    for (const { args } of commands) await timeOf([MAIN, ...args], cached);
    for (let round = 0; round < rounds; round++) {
      empty.push(await timeOf(['-e', '0'], plain));
      for (const { args, times } of commands) times.push(await timeOf([MAIN, ...args], cached));
      for (const [way, { env, loaded, starts }] of ways.entries()) {
        loaded.push(await timeOf([MAIN, 'worker', '--help'], env));
        starts.push(await startWorker(`worker-${way}-${round}`, env, endpoint, takes));
      }
    }
  } finally {
    await endpoint.close();
    await rm(directory, { recursive: true, force: true });
  }
  const emptyProcessMs = median(empty);
  const summary = ({ loaded, starts }: (typeof ways)[number]): ColdStart => {
    const firstTakeMs = median(starts.map((start) => start.firstTakeMs));
    return {
      loadedMs: median(loaded),
      firstTakeMs,
      readyMs: median(starts.map((start) => start.readyMs)),
      emptyProcesses: firstTakeMs / emptyProcessMs,
    };
  };
  const commandStarts = commands.map(({ args, times }) => ({ command: args.join(' '), ms: median(times) }));
  return {
    rounds,
    emptyProcessMs,
    commands: commandStarts,
    withoutCompileCache: summary(ways[0]),
    withCompileCache: summary(ways[1]),
  };
}

async function startWorker(
  workerId: string,
  env: Environment,
  endpoint: LocalEndpoint,
  takes: Map<string, () => void>,
): Promise<WorkerStart> {
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [...nodeFlags, MAIN, 'worker'], {
    env: { ...env, ...endpoint.workerEnvironment(workerId) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  const took = Promise.withResolvers<number>();
  takes.set(workerId, () => took.resolve(performance.now() - startedAtMs));
  const ready = Promise.withResolvers<number>();
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (log.includes(READY)) ready.resolve(performance.now() - startedAtMs);
  });
  const fail = (why: string) => {
    took.reject(new Error(why));
    ready.reject(new Error(why));
  };
  void ended.then(() => fail(`The worker ended before it asked for a job and was ready for one:\n${log}`));
  const patience = setTimeout(() => fail('The worker did not ask for a job.'), TIME_LIMIT_MS);
  try {
    const [firstTakeMs, readyMs] = await Promise.all([took.promise, ready.promise]);
    return { firstTakeMs, readyMs };
  } finally {
    clearTimeout(patience);
    takes.delete(workerId);
    await end(child, ended);
  }
}

/** In order: only a process that ends by itself writes down the code that it compiled. */
async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS);
  await ended;
  clearTimeout(kill);
}

/** From the spawning of `node …args` to its end, in milliseconds. */
async function timeOf(args: readonly string[], env: Environment): Promise<number> {
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, [...nodeFlags, ...args], { env, stdio: 'ignore', timeout: TIME_LIMIT_MS });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}.`);
  return performance.now() - startedAtMs;
}

function entryOf(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]];
}

export const coldStart: Bench<ColdStartReport> = {
  name: 'cold-start',
  measure: (quick) => measureColdStart({ rounds: quick ? 1 : 9 }),
  table({ rounds, emptyProcessMs, commands, withCompileCache, withoutCompileCache }) {
    const ms = (value: number) => `${value.toFixed(0)} ms`;
    const row = (name: string, { loadedMs, firstTakeMs, readyMs, emptyProcesses }: ColdStart) => [
      ...[name, ms(loadedMs), ms(firstTakeMs), `${emptyProcesses.toFixed(1)}×`, ms(readyMs)],
    ];
    return [
      `A cold worker until it asks for its first job, and commands until they have ended; medians of ${rounds} starts, since spawning`,
      ...formatTable([
        ['start', 'loaded', 'first job-take', 'against node -e 0', 'ready for a job'],
        row('worker, with compile cache', withCompileCache),
        row('worker, without', withoutCompileCache),
        ['node -e 0', '', ms(emptyProcessMs), '1.0×', ''],
      ]),
      '',
      ...formatTable([
        ['command, with compile cache', 'ended', 'against node -e 0'],
        ...commands.map(({ command, ms: took }) => [`millrace ${command}`, ms(took), `${(took / emptyProcessMs).toFixed(1)}×`]),
      ]),
    ];
  },
  goals: ({ withCompileCache: { firstTakeMs } }) => [
    { what: 'a cold worker until it asks for work', found: firstTakeMs, goal: 500, unit: 'ms', better: 'less' },
  ],
};
