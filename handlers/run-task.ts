/** Runs one RunPod `input` from its parsing to its result objects. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import type { RunContext } from '../manifests/run-context.ts';
import { createGuardedFetch, type GuardedFetch, type GuardedFetchOptions } from '../storage/guarded-fetch.ts';
import { type Trace, untraced } from '../trace.ts';
import { createMasterCache, MASTER_CACHE_BYTES } from './audio-master-cache.ts';
import { createMasterFacts } from './audio-master-facts.ts';
import { type Capabilities, detectCapabilities } from './ffmpeg/capabilities.ts';
import type { Tools } from './ffmpeg/locate.ts';
import { dejavuFontsDir } from './fonts.ts';
import { createGpuSession } from './gpu-session.ts';
import { createInputMemory } from './inputs/chunk-memory.ts';
import { type Gateway, startGateway } from './inputs/gateway.ts';
import type { PublicBase } from './inputs/public-source.ts';
import { CHUNK_TIME_LIMIT_MS } from './inputs/ranged-reader.ts';
import type { StoreFor } from './inputs/resolve-source.ts';
import { removeLeftovers } from './leftovers.ts';
import { logFieldsOf } from './log-fields.ts';
import { envelopeOf, parseTask, runContextsOf } from './parse-task.ts';
import { performTask, type WorkerParts } from './perform-task.ts';
import { type ItemOutcome, resultOf, writeResult } from './results.ts';
import { asNetworkError, NETWORK_RETRY, type RetryPolicy } from './retry.ts';
import type { RunTask, TaskAnswer, TaskScope } from './task.ts';
import { roundedSeconds, type TaskContext } from './task-context.ts';

export interface TaskRunnerOptions {
  readonly tools: Tools;
  /** Working directories are made here, one per task, and removed when it ends. */
  readonly workDir: string;
  /** Fonts for subtitles, beside the system's own; DejaVu from npm unless given. */
  readonly fontsDir?: string;
  /** The store of a bucket, where the worker has credentials for it. */
  readonly storeFor?: StoreFor;
  /** Where `s3://` inputs are read from without credentials. */
  readonly publicBase?: PublicBase;
  /** Hosts (`host` or `host:port`) that http(s) URLs may point to although their addresses are not public. */
  readonly allowHosts: readonly string[];
  /** For one task, from its start until its output is written. */
  readonly timeLimitSeconds: number;
  /** The most that the files of one task may take. */
  readonly diskQuotaBytes?: number;
  /** The most that seekable copies of masters may take, kept between tasks; 0 keeps none, and nothing else that was read either. */
  readonly masterCacheBytes?: number;
  readonly log: Logger;
  readonly workerId?: string;
  /** How often and how patiently the network is tried again. */
  readonly retry?: RetryPolicy;
  readonly network?: NetworkOptions;
  /** Nothing is recorded without. */
  readonly trace?: Trace | undefined;
  /** How patiently a full GPU is tried again. */
  readonly gpuRetry?: RetryPolicy;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface NetworkOptions extends Pick<GuardedFetchOptions, 'resolve' | 'connectTimeoutMs' | 'idleTimeoutMs'> {
  /** The longest that half a megabyte of an input may take to arrive. */
  readonly chunkTimeLimitMs?: number;
}

/** Room for the largest object that one PUT may carry, its copy and what is made of both. */
const DISK_QUOTA_BYTES = 16 * 1024 ** 3;

export interface TaskRunner {
  readonly run: RunTask;
  /** Found out at the first call, by encoding; the same answer from then on. Rejects only where the runner is closed meanwhile. */
  capabilities(): Promise<Capabilities>;
  /** Closes sockets. Tasks that still run fail. */
  close(): Promise<void>;
}

export function createTaskRunner(options: TaskRunnerOptions): TaskRunner {
  const {
    tools,
    workDir,
    timeLimitSeconds,
    storeFor,
    publicBase,
    now = Date.now,
    retry = NETWORK_RETRY,
    trace = untraced,
  } = options;
  const { chunkTimeLimitMs = CHUNK_TIME_LIMIT_MS, ...network } = options.network ?? {};
  const fetch = createGuardedFetch({ ...network, allowHosts: options.allowHosts });
  const { diskQuotaBytes = DISK_QUOTA_BYTES, masterCacheBytes = MASTER_CACHE_BYTES } = options;
  const masters = createMasterCache({ workDir, maxBytes: masterCacheBytes });
  // Who wants nothing kept on disk wants nothing kept in memory either.
  const inputMemory = masterCacheBytes === 0 ? createInputMemory(0) : createInputMemory();
  const remembered = { masterFacts: createMasterFacts(), inputMemory };
  const tidied = removeLeftovers(workDir, options.log, now());
  const fontsDir = options.fontsDir ?? dejavuFontsDir();
  let gateway: Promise<Gateway> | undefined;
  const gpu = createGpuSession(options.gpuRetry);
  const closed = new AbortController();
  let found: Promise<Capabilities> | undefined;

  function capabilities(): Promise<Capabilities> {
    found ??= detectCapabilities(tools, closed.signal);
    return found;
  }

  async function workerParts(): Promise<WorkerParts> {
    await tidied;
    gateway ??= startGateway({ randomToken: () => randomBytes(24).toString('base64url') });
    const shared = {
      tools,
      masters,
      ...remembered,
      workDir,
      fontsDir,
      fontCacheDir: join(workDir, 'font-cache'),
      timeLimitSeconds,
    };
    const bounds = { diskQuotaBytes, chunkTimeLimitMs, trace };
    return { ...shared, ...bounds, storeFor, publicBase, fetch, retry, now, capabilities, gpu, gateway: await gateway };
  }

  /** In a span that goes on with the trace in which the run was sent. */
  function run(input: unknown, scope: TaskScope): Promise<TaskAnswer> {
    const { job, stage, item, attempt, items, task } = logFieldsOf(input);
    const [first] = runContextsOf(envelopeOf(input).parameters);
    const attributes = {
      ...{ 'millrace.job': job, 'millrace.stage': stage, 'millrace.items': items ?? item, 'millrace.attempt': attempt },
      ...{ 'messaging.system': 'runpod', 'messaging.operation.type': 'process', 'messaging.operation.name': 'process' },
      ...{ 'messaging.message.id': scope.requestId, 'millrace.worker': scope.workerId ?? options.workerId },
    };
    return trace.span(`process ${task}`, { kind: 'consumer', parent: first?.traceparent ?? null, attributes }, async (span) => {
      const answer = await runParsed(input, scope);
      span.set({ 'millrace.outcome': answer.kind, ...(answer.kind === 'failed' ? { 'error.type': answer.error.code } : {}) });
      return answer;
    });
  }

  async function runParsed(input: unknown, scope: TaskScope): Promise<TaskAnswer> {
    const startedAtMs = now();
    const { task, parameters } = envelopeOf(input);
    const { log } = scope;
    const contexts = runContextsOf(parameters);
    const isBatch = contexts.length > 1;
    const items = createItems({
      task,
      isBatch,
      startedAtMs,
      scope,
      log,
      fetch,
      retry,
      now,
      workerId: scope.workerId ?? options.workerId,
    });
    try {
      const parsed = parseTask(input);
      const output = await performTask(parsed, await workerParts(), { ...scope, settle: items.settle });
      if (scope.signal.aborted) return { kind: 'cancelled' };
      const measured = { ...output, worker_sec: roundedSeconds((now() - startedAtMs) / 1000) };
      const kind = output.split === true ? 'split' : 'succeeded';
      await items.settleRest(contexts, { kind, output: measured });
      return { kind: 'succeeded', output: measured };
    } catch (thrown) {
      if (scope.signal.aborted) return { kind: 'cancelled' };
      const error = asNetworkError(thrown, 'INTERNAL');
      if (error.code === 'INTERNAL') log.error({ error: thrown }, 'a task failed for a reason that is not known');
      await items.settleRest(contexts, { kind: 'failed', error });
      return { kind: 'failed', error };
    }
  }

  return {
    run,
    capabilities,
    async close() {
      closed.abort();
      fetch.close();
      await tidied;
      await (await gateway)?.close();
      await masters.close();
    },
  };
}

interface ItemsOptions {
  readonly task: string;
  /** Of the run. */
  readonly startedAtMs: number;
  /** Then the logger does not say which item a line is about. */
  readonly isBatch: boolean;
  readonly scope: TaskScope;
  readonly log: Logger;
  readonly fetch: GuardedFetch;
  readonly retry: RetryPolicy;
  readonly now: () => number;
  readonly workerId: string | undefined;
}

/** The results of the items of one run: each is written once. */
function createItems({ task, startedAtMs, isBatch, scope, log, fetch, retry, now, workerId }: ItemsOptions) {
  const settled = new Set<string>();
  /** Up to when the run's time has been shared out: items of a batch overlap, but the run is paid once. */
  let sharedUntilMs = startedAtMs;

  /** The output is what counts: a result that cannot be written does not undo it, and the sweep finds what it lacks. */
  const settle: TaskContext['settle'] = async (item, outcome, itemStartedAtMs) => {
    const finishedAtMs = now();
    const workerSeconds = roundedSeconds((finishedAtMs - itemStartedAtMs) / 1000);
    const runSeconds = roundedSeconds(Math.max(0, finishedAtMs - sharedUntilMs) / 1000);
    sharedUntilMs = finishedAtMs;
    const about = item === undefined || !isBatch ? {} : { item: item.item, attempt: item.attempt };
    if (outcome.kind === 'failed') log.warn({ ...about, error: outcome.error, workerSeconds }, 'an item failed');
    else log.info({ ...about, workerSeconds }, outcome.kind === 'split' ? 'an item was split into chunks' : 'an item succeeded');
    if (item === undefined || scope.signal.aborted) return;
    settled.add(identityOf(item));
    const result = resultOf(item, outcome, { task, runId: scope.requestId, workerId, finishedAtMs, workerSeconds, runSeconds });
    try {
      await writeResult(item, result, { fetch, signal: scope.signal, now, retry });
    } catch (thrown) {
      log.error({ ...about, error: asNetworkError(thrown, 'DESTINATION_UNREACHABLE') }, 'a result could not be written');
    }
  };

  /** The items that the task itself did not settle: its one item, or those of a batch that ended before their turn. */
  async function settleRest(contexts: readonly RunContext[], outcome: ItemOutcome): Promise<void> {
    const open = contexts.filter((item) => !settled.has(identityOf(item)));
    if (contexts.length === 0) await settle(undefined, outcome, startedAtMs);
    for (const item of open) await settle(item, outcome, startedAtMs);
  }

  return { settle, settleRest };
}

function identityOf({ job, stage, item, fingerprint, attempt }: RunContext): string {
  return JSON.stringify([job, stage, item, fingerprint, attempt]);
}
