/** What processes a worker's tasks: ffmpeg found, the runner made as the settings say. Heavy to load: see worker-process.ts. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { MillraceError } from '../errors.ts';
import { locate } from '../handlers/ffmpeg/locate.ts';
import { createTaskRunner, type TaskRunner, type TaskRunnerOptions } from '../handlers/run-task.ts';
import type { Logger } from '../log.ts';
import type { Trace } from '../trace.ts';

/** Throws FFMPEG_MISSING, or GPU_REQUIRED where the settings ask for a GPU. */
export async function createRunner(
  config: Config,
  log: Logger,
  { workerId, trace }: { readonly workerId?: string | undefined; readonly trace?: Trace | undefined } = {},
): Promise<TaskRunner> {
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
    trace,
    ...(workerId === undefined ? {} : { workerId }),
  });
  if (config.MILLRACE_REQUIRE_GPU) await requireGpu(runner);
  return runner;
}

/** By default a worker holds no keys and everything it is given is presigned: then the S3 client is not even loaded. */
async function bucketStores(config: Config): Promise<Pick<TaskRunnerOptions, 'storeFor'>> {
  const { HMAC_KEY, AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS } = config;
  if ([HMAC_KEY, AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS].every((key) => key === undefined)) return {};
  const { bucketCredentials, createStores, usesGoogle } = await import('./deployment.ts');
  const hasKeys = bucketCredentials(config) !== undefined;
  const storeFor = createStores(config);
  // Without keys of its own kind a URI has no store, and is read through R2_PUBLIC_BASE_URL or not at all.
  return {
    storeFor: (scheme, bucket) => (hasKeys || (scheme === 'gs' && usesGoogle(config)) ? storeFor(scheme, bucket) : undefined),
  };
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

function publicBase({ R2_PUBLIC_BASE_URL: baseUrl, R2_PUBLIC_BUCKET: bucket }: Config) {
  if (baseUrl === undefined) return {};
  return { publicBase: { baseUrl, ...(bucket === undefined ? {} : { bucket }) } };
}
