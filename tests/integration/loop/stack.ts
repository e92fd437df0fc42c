/** The whole of Millrace for a test: the real stack on free ports in a folder of its own, and what a test asks of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import { createPlanner } from '../../../cli/deployment.ts';
import { type LocalStack, type LocalStackOptions, startLocalStack } from '../../../cli/local-stack.ts';
import { readConfig } from '../../../config.ts';
import { createLogger } from '../../../log.ts';
import { RunContext } from '../../../manifests/run-context.ts';
import { type JobPlanner, planJob } from '../../../pipeline/job-plan.ts';
import { jobState } from '../../../pipeline/job-state.ts';
import type { Plan } from '../../../pipeline/plan-types.ts';

/** One attempt as the RunPod endpoint got it. */
export interface Dispatched {
  readonly runId: string;
  readonly stage: string;
  readonly item: string;
  readonly fingerprint: string;
  readonly attempt: number;
}

/** What a test asks of a stack, wherever that stack runs. */
export interface StackView {
  readonly environment: Readonly<Record<string, string>>;
  readonly planner: JobPlanner;
  readonly sqs: SQSClient;
  put(job: string, key: string, body: string | Uint8Array): Promise<void>;
  read(job: string, key: string): Promise<Buffer>;
  /** Of the job's folder, relative to it. */
  keys(job: string): Promise<string[]>;
  /** Every object of the bucket under a prefix, with its version and time: two equal answers mean that nothing was written. */
  objects(prefix: string): Promise<string[]>;
  plan(job: string): Promise<Plan>;
  /** Plans the job again and again until `isSo`; fails after `withinSeconds` with what the job was like then. */
  until(job: string, isSo: (plan: Plan) => boolean, withinSeconds?: number): Promise<Plan>;
  /** Fails at once where the job has failed. */
  untilDone(job: string, withinSeconds?: number): Promise<Plan>;
  /** Every attempt of the job that any RunPod job carries, from the endpoint's own book: claims could be wrong about it. */
  dispatched(job: string): Dispatched[];
  /** Messages of a queue, in flight or not; the stack's own queue unless another is named. */
  waitingMessages(queueUrl?: string): Promise<number>;
  close(): void;
}

export interface TestStack extends StackView {
  readonly stack: LocalStack;
  /** What the stack and its workers logged. */
  readonly lines: string[];
  stop(): Promise<void>;
}

export type TestStackOptions = Partial<Pick<LocalStackOptions, 'queue' | 'workers' | 'consume' | 'allowHosts' | 'env'>>;

const POLL_MS = 150;
const DEFAULT_WITHIN_SECONDS = 60;

export async function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-loop-'));
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', name: 'stack', stream: { write: (line) => void lines.push(line.trimEnd()) } });
  const stack = await startLocalStack({
    ...{ dataDir, port: 0, workers: 2, consume: true, env: {}, ...options, log },
    onWorkerLine: (line) => void lines.push(line),
  });
  const view = viewStack(dataDir, stack.environment, () =>
    lines
      .filter((line) => !NOISE.test(line))
      .slice(-SHOWN_LINES)
      .join('\n'),
  );
  return {
    ...view,
    stack,
    lines,
    async stop() {
      view.close();
      await stack.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

const SHOWN_LINES = 30;
const NOISE = /"message":"(queue )?request"/;

/** Looks at a stack from outside: one of this process, or a `millrace dev` in its own. */
export function viewStack(
  dataDir: string,
  environment: Readonly<Record<string, string>>,
  lastWords: () => string = () => '',
): StackView {
  const config = readConfig(environment);
  const planner = createPlanner(config);
  const { store, layout } = planner;
  const { HMAC_KEY: accessKeyId = '', HMAC_SECRET: secretAccessKey = '', MILLRACE_QUEUE_URL: queueUrl = '' } = config;
  // Only looked at where the stack's queue is one of SQS.
  const sqs = new SQSClient({
    endpoint: URL.canParse(queueUrl) ? new URL(queueUrl).origin : 'http://127.0.0.1:1',
    region: config.S3_REGION,
    credentials: { accessKeyId, secretAccessKey },
  });

  async function listed(prefix: string) {
    const pages = await Array.fromAsync(store.list(prefix));
    return pages.flat();
  }

  const view: StackView = {
    environment,
    planner,
    sqs,
    async put(job, key, body) {
      await store.put(layout.jobKey(job, key), body);
    },
    async read(job, key) {
      const found = await store.get(layout.jobKey(job, key));
      if (found === null) throw new Error(`${job} has no ${key}; it has ${(await view.keys(job)).join(', ')}`);
      return buffer(found.body);
    },
    async keys(job) {
      const folder = layout.jobFolder(job);
      return (await listed(folder)).map(({ key }) => key.slice(folder.length));
    },
    async objects(prefix) {
      return (await listed(prefix)).map(({ key, etag, lastModifiedMs }) => `${key} ${etag} ${lastModifiedMs}`);
    },
    async plan(job) {
      return (await planJob(planner, job)).plan;
    },
    async until(job, isSo, withinSeconds = DEFAULT_WITHIN_SECONDS) {
      const deadlineMs = Date.now() + withinSeconds * 1000;
      for (;;) {
        const plan = await view.plan(job);
        if (isSo(plan)) return plan;
        if (Date.now() > deadlineMs) {
          throw new Error(`${job} is not there after ${withinSeconds} s:\n${describe(plan)}\n${lastWords()}`);
        }
        await sleep(POLL_MS);
      }
    },
    untilDone: (job, withinSeconds) =>
      view.until(
        job,
        (plan) => {
          const state = jobState(plan);
          if (state === 'failed') throw new Error(`${job} failed:\n${describe(plan)}`);
          return state === 'done';
        },
        withinSeconds,
      ),
    dispatched: (job) => readDispatched(join(dataDir, 'runpod', 'endpoint.sqlite')).filter((each) => each.job === job),
    async waitingMessages(url = queueUrl) {
      const names = [
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ] as const;
      const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }));
      return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
    },
    close: () => sqs.destroy(),
  };
  return view;
}

/** Polls until `isSo`, for what no plan tells. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>, withinSeconds = 30): Promise<void> {
  const deadlineMs = Date.now() + withinSeconds * 1000;
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`not so after ${withinSeconds} s: ${what}`);
    await sleep(POLL_MS);
  }
}

export const attemptOf = ({ stage, item, fingerprint, attempt }: Dispatched): string =>
  `${stage}/${item}/${fingerprint}.${attempt}`;

const Carried = z.object({ millrace: RunContext });
const RunInput = z.object({ parameters: z.union([z.object({ segments: z.array(Carried) }), Carried]) });

function readDispatched(file: string): (Dispatched & { readonly job: string })[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database.prepare('SELECT id, input FROM jobs ORDER BY number').all();
    return rows.flatMap(({ id, input }) => {
      const { parameters } = RunInput.parse(JSON.parse(String(input)));
      const carried = 'segments' in parameters ? parameters.segments : [parameters];
      return carried.map(({ millrace: { job, stage, item, fingerprint, attempt } }) => ({
        ...{ runId: String(id), job, stage, item, fingerprint, attempt },
      }));
    });
  } finally {
    database.close();
  }
}

function describe(plan: Plan): string {
  const stages = plan.stages.map(({ name, phase, why, items }) => {
    const phases = items.map(({ item, phase: state, why: reason }) => `${item}:${state}${reason === '' ? '' : ` (${reason})`}`);
    return `  ${name} ${phase} ${why} ${phases.join(' ')}`;
  });
  return [jobState(plan), ...stages, ...plan.problems.map(({ message }) => `  problem: ${message}`)].join('\n');
}
