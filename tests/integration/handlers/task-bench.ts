/** A real runner between a local origin and a local sink, with every line it logs kept. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { MillraceError } from '../../../errors.ts';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { createTaskRunner, type TaskRunner, type TaskRunnerOptions } from '../../../handlers/run-task.ts';
import type { Progress, TaskAnswer, TaskOutput } from '../../../handlers/task.ts';
import { createLogger, type Logger } from '../../../log.ts';
import { type Origin, type OriginFile, SECRET, startOrigin } from '../../media/origin.ts';
import { type Sink, startSink } from '../../media/sink.ts';

export interface TaskBench {
  readonly directory: string;
  readonly workDir: string;
  readonly origin: Origin;
  readonly sink: Sink;
  readonly runner: TaskRunner;
  readonly lines: string[];
  /** Writes into `lines`. */
  readonly logger: Logger;
  readonly progress: Progress[];
  /** Called at every report of progress. */
  onProgress: () => void;
  /** Puts a file on the origin; answers its URL. */
  serve(file: string, options?: Omit<OriginFile, 'file'>): string;
  run(task: string, parameters: Record<string, unknown>, signal?: AbortSignal): Promise<TaskAnswer>;
  /** What the sink took, as a file. */
  takenFile(name: string): Promise<string>;
  /** Another runner on the same bench. */
  runnerWith(options: Partial<TaskRunnerOptions>): TaskRunner;
  /** Working directories that are there now. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

const QUICK_RETRY = { attempts: 4, firstDelayMs: 5, maxDelayMs: 20 };

export async function startBench(tools: Tools): Promise<TaskBench> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-handlers-'));
  const workDir = join(directory, 'work');
  await mkdir(workDir);
  const [origin, sink] = await Promise.all([startOrigin(), startSink()]);
  const lines: string[] = [];
  const progress: Progress[] = [];
  const log = createLogger({ level: 'trace', name: 'test', stream: { write: (line) => void lines.push(line) } });
  const extra: TaskRunner[] = [];
  const base = { tools, workDir, allowHosts: [origin.host, sink.host], timeLimitSeconds: 100, log, retry: QUICK_RETRY };
  const runner = createTaskRunner(base);
  let names = 0;
  const report = (found: Progress) => {
    progress.push(found);
    bench.onProgress();
  };
  const run = (on: TaskRunner, task: string, parameters: Record<string, unknown>, signal: AbortSignal) =>
    on.run({ task, parameters }, { requestId: 'run-1', signal, log, progress: report });
  const bench: TaskBench = {
    ...{ directory, workDir, origin, sink, runner, lines, logger: log, progress },
    onProgress: () => undefined,
    serve(file, options = {}) {
      const name = `${names++}-${file.slice(file.lastIndexOf('/') + 1)}`;
      origin.files.set(name, { file, ...options });
      return origin.url(name);
    },
    run: (task, parameters, signal = new AbortController().signal) => run(runner, task, parameters, signal),
    async takenFile(name) {
      const file = join(directory, `taken-${names++}-${name}`);
      await writeFile(file, sink.taken.get(name)?.body ?? '');
      return file;
    },
    runnerWith(options) {
      const other = createTaskRunner({ ...base, ...options });
      extra.push(other);
      return other;
    },
    leftovers: async () => (await readdir(workDir)).filter((name) => name.startsWith('task-')),
    async close() {
      await Promise.all([runner, ...extra].map((each) => each.close()));
      await Promise.all([origin.close(), sink.close()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
  return bench;
}

/** The output of an answer that must be a success. */
export function succeeded(answer: TaskAnswer): TaskOutput {
  if (answer.kind === 'failed') throw new Error(`failed: ${answer.error.code} ${answer.error.message}`, { cause: answer.error });
  if (answer.kind !== 'succeeded') throw new Error(answer.kind);
  return answer.output;
}

export function failed(answer: TaskAnswer): MillraceError {
  if (answer.kind !== 'failed') throw new Error(`expected a failure, found ${JSON.stringify(answer)}`);
  return answer.error;
}

/** Nothing that was printed, answered or written holds a presigned URL's query. */
export function expectNoSecrets(bench: TaskBench, ...answers: readonly unknown[]): void {
  const secret = SECRET.slice(SECRET.indexOf('=') + 1);
  const shown = answers.map((answer) =>
    JSON.stringify(answer, (_key, value) =>
      value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value,
    ),
  );
  const results = [...bench.sink.taken].filter(([name]) => name.endsWith('.json')).map(([, { body }]) => body.toString('utf8'));
  expect([...bench.lines, ...shown, ...results].filter((text) => text.includes(secret))).toEqual([]);
}

export function runContext(bench: TaskBench, item: string, more: Record<string, unknown> = {}) {
  return {
    ...{ job: 'job-1', stage: 'segmentation', item, fingerprint: 'f'.repeat(16), attempt: 1 },
    succeeded_put_url: bench.sink.url(`${item}.succeeded.json`),
    failed_put_url: bench.sink.url(`${item}.failed.json`),
    ...more,
  };
}
