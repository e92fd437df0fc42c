/** The GPU container's program: finds ffmpeg, then serves RunPod until it is told to stop, or runs one test job. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { asMillraceError, MillraceError } from '../errors.ts';
import { locate } from '../handlers/ffmpeg/locate.ts';
import { createTaskRunner, type TaskRunner, type TaskRunnerOptions } from '../handlers/run-task.ts';
import type { Logger } from '../log.ts';
import { runTestInput } from '../runpod/test-input.ts';
import { isRunpodWorker, parseWorkerEnvironment, reportUnhealthy, runWorker, type WorkerEnvironment } from '../runpod/worker.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Resolves with the exit code once the worker has ended. */
export async function serveRunpod(config: Config, env: Environment, log: Logger, signal: AbortSignal): Promise<number> {
  if (!isRunpodWorker(env)) {
    throw new MillraceError('CONFIG_INVALID', 'This is no RunPod container: RUNPOD_WEBHOOK_GET_JOB is not set.', {
      fix: 'Try one job with `millrace worker --test_input \'{"input":{"task":"PING"}}\'`, or start everything with `millrace dev`.',
    });
  }
  const environment = parseWorkerEnvironment(env);
  const runner = await createRunner(config, log, environment);
  announceCapabilities(runner, log);
  try {
    const { reason, exitCode, answeredJobs } = await runWorker({
      environment,
      run: runner.run,
      concurrency: config.MILLRACE_WORKER_CONCURRENCY,
      log,
      signal,
    });
    log.info({ reason, answeredJobs }, 'the worker has ended');
    return exitCode;
  } finally {
    await runner.close();
  }
}

/** One job without RunPod: its answer as one line of JSON, and the exit code. */
export async function runOneJob(config: Config, jsonText: string, log: Logger, signal: AbortSignal) {
  const runner = await createRunner(config, log);
  try {
    return await runTestInput(jsonText, runner.run, { log, signal });
  } finally {
    await runner.close();
  }
}

async function createRunner(config: Config, log: Logger, environment?: WorkerEnvironment): Promise<TaskRunner> {
  try {
    const tools = await locate({
      ...(config.FFMPEG_PATH === undefined ? {} : { ffmpegPath: config.FFMPEG_PATH }),
      ...(config.FFPROBE_PATH === undefined ? {} : { ffprobePath: config.FFPROBE_PATH }),
    });
    log.info({ ffmpeg: tools.version, origin: tools.origin }, 'found ffmpeg');
    const runner = createTaskRunner({
      tools,
      workDir: config.MILLRACE_WORK_DIR ?? join(tmpdir(), 'millrace'),
      ...(config.MILLRACE_FONTS_DIR === undefined ? {} : { fontsDir: config.MILLRACE_FONTS_DIR }),
      ...(await bucketStores(config)),
      ...publicBase(config),
      allowHosts: config.HTTP_ALLOW_HOSTS,
      timeLimitSeconds: config.MILLRACE_TASK_TIME_LIMIT_SECONDS,
      diskQuotaBytes: config.MILLRACE_TASK_DISK_QUOTA_BYTES,
      masterCacheBytes: config.MILLRACE_MASTER_CACHE_BYTES,
      log,
      ...(environment === undefined ? {} : { workerId: environment.workerId }),
    });
    if (config.MILLRACE_REQUIRE_GPU) await requireGpu(runner);
    return runner;
  } catch (thrown) {
    const error = asMillraceError(thrown);
    if (environment !== undefined) await reportUnhealthy(environment, error.code, error.message);
    throw error;
  }
}

/** By default a worker holds no keys and everything it is given is presigned: then the S3 client is not even loaded. */
async function bucketStores(config: Config): Promise<Pick<TaskRunnerOptions, 'storeFor'>> {
  if (config.HMAC_KEY === undefined && config.AWS_ACCESS_KEY_ID === undefined) return {};
  const { bucketCredentials, createStores } = await import('./deployment.ts');
  return bucketCredentials(config) === undefined ? {} : { storeFor: createStores(config) };
}

/** Throws GPU_REQUIRED where no GPU has proved that it can encode, with the reason. */
async function requireGpu(runner: TaskRunner): Promise<void> {
  const { h264Nvenc } = await runner.capabilities();
  if (h264Nvenc.available) return;
  await runner.close();
  throw new MillraceError('GPU_REQUIRED', `MILLRACE_REQUIRE_GPU is set, but NVENC does not work here: ${h264Nvenc.reason}.`, {
    fix: 'Choose a GPU with an encoder (L4, L40S, RTX 4090; not A100, H100 or H200), or unset MILLRACE_REQUIRE_GPU.',
  });
}

/** Beside the first poll for work: a cold worker must not sit for seconds before it asks for any. */
function announceCapabilities(runner: TaskRunner, log: Logger): void {
  runner.capabilities().then(
    (capabilities) => log.info({ capabilities }, 'found out what the GPU can do'),
    // The worker ended before.
    () => undefined,
  );
}

function publicBase({ R2_PUBLIC_BASE_URL: baseUrl, R2_PUBLIC_BUCKET: bucket }: Config) {
  if (baseUrl === undefined) return {};
  return { publicBase: { baseUrl, ...(bucket === undefined ? {} : { bucket }) } };
}
