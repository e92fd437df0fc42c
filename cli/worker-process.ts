/** The GPU container's program: serves RunPod until it is told to stop, or runs one test job. */
import type { Config } from '../config.ts';
import { asMillraceError, MillraceError } from '../errors.ts';
import type { TaskRunner } from '../handlers/run-task.ts';
import type { Logger } from '../log.ts';
import { firstTake } from '../runpod/first-take.ts';
import { runTestInput } from '../runpod/test-input.ts';
import { isRunpodWorker, parseWorkerEnvironment, reportUnhealthy, runWorker } from '../runpod/worker.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { startTracing } from './tracing.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Resolves with the exit code once the worker has ended. A cold worker asks for a job first; what processes jobs is loaded, and ffmpeg
 * found, while it waits for one. A job that comes sooner waits for that. Only where a GPU is required is it proven before.
 */
export async function serveRunpod(config: Config, env: Environment, log: Logger, signal: AbortSignal): Promise<number> {
  if (!isRunpodWorker(env)) {
    throw new MillraceError('CONFIG_INVALID', 'This is no RunPod container: RUNPOD_WEBHOOK_GET_JOB is not set.', {
      fix: 'Try one job with `millrace worker --test_input \'{"input":{"task":"PING"}}\'`, or start everything with `millrace dev`.',
    });
  }
  const environment = parseWorkerEnvironment(env);
  const unfit = new AbortController();
  const { MILLRACE_REQUIRE_GPU: isGpuRequired, MILLRACE_WORKER_CONCURRENCY: concurrency } = config;
  // Loading keeps this thread busy: the first request for a job would have to wait for it.
  const asked = isGpuRequired ? Promise.resolve() : firstTake(environment, concurrency);
  const runner = asked.then(() => loadRunner(config, log, environment.workerId));
  // No more jobs are taken then; one that was taken already is answered with the reason.
  runner.catch(() => unfit.abort());
  try {
    if (isGpuRequired) await runner;
    announceCapabilities(runner, log);
    const { reason, exitCode, answeredJobs } = await runWorker({
      environment,
      run: async (input, scope) => {
        const loaded = await runner;
        try {
          return await loaded.run(input, scope);
        } finally {
          // RunPod may freeze or end this container as soon as the job is answered; nobody waits for the collector.
          void loaded.tracing?.flush();
        }
      },
      concurrency,
      log,
      signal: AbortSignal.any([signal, unfit.signal]),
    });
    if (unfit.signal.aborted) await runner;
    log.debug({ reason, answeredJobs }, 'the worker has ended');
    return exitCode;
  } catch (thrown) {
    const error = asMillraceError(thrown);
    await reportUnhealthy(environment, error.code, error.message);
    throw error;
  } finally {
    await closeLoaded(runner);
  }
}

/** One job without RunPod: its answer as one line of JSON, and the exit code. */
export async function runOneJob(config: Config, jsonText: string, log: Logger, signal: AbortSignal) {
  const runner = await loadRunner(config, log);
  try {
    return await runTestInput(jsonText, runner.run, { log, signal });
  } finally {
    await runner.close();
  }
}

interface LoadedRunner extends TaskRunner {
  readonly tracing: Tracing | undefined;
}

async function loadRunner(config: Config, log: Logger, workerId?: string): Promise<LoadedRunner> {
  const { createRunner } = await import('./task-runner.ts');
  const tracing = await startTracing(config, 'worker', log);
  const runner = await createRunner(config, log, { workerId, trace: tracing });
  const close = async () => {
    await runner.close();
    await tracing?.close();
  };
  return { ...runner, tracing, close };
}

async function closeLoaded(runner: Promise<LoadedRunner>): Promise<void> {
  await runner.then(
    (loaded) => loaded.close(),
    // There is nothing to close.
    () => undefined,
  );
}

/** Beside the first poll for work: a cold worker must not sit for seconds before it asks for any. */
function announceCapabilities(runner: Promise<LoadedRunner>, log: Logger): void {
  runner
    .then((loaded) => loaded.capabilities())
    .then(
      (capabilities) => log.info({ capabilities }, 'found out what the GPU can do'),
      // The worker ended before.
      () => undefined,
    );
}
