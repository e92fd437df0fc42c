/** The API with everything it needs around it. */
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { ApiParts, PublicAddress } from '../api/parts.ts';
import { type ApiServer, startApi } from '../api/server.ts';
import type { Config } from '../config.ts';
import { createJobTurns } from '../consumers/job-turns.ts';
import type { Logger } from '../log.ts';
import { type Reconciler, reconcile } from '../pipeline/reconcile.ts';
import { proveConditionalCreate } from '../storage/conditional-create-proof.ts';
import { createGuardedFetch } from '../storage/guarded-fetch.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { openDeadLetters, openMainQueue } from './dead-letters/queues.ts';
import { bucketCredentials, createPlanner, createReconciler, createStores, randomId } from './deployment.ts';
import { startTracing } from './tracing.ts';
import { readVersion } from './version.ts';

export interface ApiProcessOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Those of the settings unless given. */
  readonly tokens?: readonly string[];
  readonly pollMs?: number;
  /** How long one poll of the dead-letter queue waits; 0 for a queue that is one server. */
  readonly letterPollSeconds?: number;
  /** Of a consumer in this process, where it counts. */
  readonly registry?: Registry | undefined;
}

const RECONCILE_GRACE_MS = 10_000;

/** Resolves once it listens. Throws CONFIG_INVALID where the settings are not right. */
export async function startApiProcess(config: Config, log: Logger, options: ApiProcessOptions): Promise<ApiServer> {
  const hasRunpod = config.RUNPOD_ENDPOINT !== undefined && config.RUNPOD_API_KEY !== undefined;
  const tracing = await startTracing(config, 'api', log);
  const reconciler = hasRunpod ? { ...createReconciler(config, log), trace: tracing } : undefined;
  const storeFor = createStores(config);
  const planner = reconciler ?? createPlanner(config, storeFor);
  const turns =
    reconciler === undefined
      ? undefined
      : createJobTurns({
          concurrency: config.MILLRACE_CONCURRENCY,
          log,
          trace: tracing,
          reconcile: async (job, signal) => {
            await prove(reconciler);
            await reconcile(reconciler, job, signal);
          },
        });
  /** As a consumer does at start, for claims are taken here too; before the first one, so that a bucket that is away keeps nobody from starting. */
  let proven: Promise<void> | undefined;
  function prove({ store, layout, randomId: random }: Reconciler): Promise<void> {
    proven ??= proveConditionalCreate(store, { prefix: layout.proofPrefix, random }).catch((thrown: unknown) => {
      proven = undefined;
      throw thrown;
    });
    return proven;
  }
  const publicAddress = publicAddressOf(config);
  const letterPoll = options.letterPollSeconds === undefined ? {} : { pollSeconds: options.letterPollSeconds };
  const fetch = createGuardedFetch({
    allowHosts: config.HTTP_ALLOW_HOSTS,
    maxBodyBytes: config.MILLRACE_MAX_MANIFEST_BYTES,
  });
  const parts: ApiParts = {
    planner,
    hasCredentials: await hasCredentials(config, planner.store, publicAddress !== undefined),
    storeFor,
    publicAddress,
    fetch,
    reconcile: turns === undefined ? undefined : (job, signal) => turns.request(job, signal),
    runpod: reconciler?.dispatcher,
    prices: config.MILLRACE_GPU_PRICE_PER_SECOND ?? {},
    trace: tracing,
    deadLetters:
      config.MILLRACE_DEAD_LETTER_QUEUE_URL === undefined
        ? undefined
        : {
            openLetters: () => openDeadLetters(config, { waitForHidden: false, ...letterPoll }),
            openSink: () => openMainQueue(config),
            auditFile: join(config.MILLRACE_DATA, 'dead-letters', 'audit.jsonl'),
          },
    randomId,
    now: Date.now,
    log,
  };
  const server = await startApi({
    ...parts,
    host: options.host,
    port: options.port,
    tokens: options.tokens ?? config.MILLRACE_API_TOKENS,
    metricsTokens: config.MILLRACE_API_METRICS_TOKENS,
    registry: options.registry,
    requestsPerMinute: config.MILLRACE_API_REQUESTS_PER_MINUTE,
    maxStreams: config.MILLRACE_API_MAX_STREAMS,
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    version: readVersion(),
  }).catch(async (thrown: unknown) => {
    await tracing?.close();
    throw thrown;
  });
  return {
    ...server,
    async stop() {
      await server.stop();
      await turns?.close(RECONCILE_GRACE_MS);
      fetch.close();
      publicAddress?.fetch.close();
      await tracing?.close();
    },
  };
}

/** The API's own names, or those that workers have for the same. */
function publicAddressOf(config: Config): PublicAddress | undefined {
  const [baseUrl, bucket] =
    config.VIDEOS_PUBLIC_BASE_URL === undefined
      ? [config.R2_PUBLIC_BASE_URL, config.R2_PUBLIC_BUCKET]
      : [config.VIDEOS_PUBLIC_BASE_URL, config.VIDEOS_PUBLIC_BUCKET];
  if (baseUrl === undefined) return undefined;
  const fetch = createGuardedFetch({
    // The operator named it: it may be an address of a private network.
    allowHosts: [...config.HTTP_ALLOW_HOSTS, new URL(baseUrl).host],
    maxBodyBytes: config.MILLRACE_MAX_MANIFEST_BYTES,
  });
  return { baseUrl, fetch, ...(bucket === undefined ? {} : { bucket }) };
}

/** Where no keys are named there may be a role: the SDK knows once something is to be signed. Only a public address makes up for none. */
async function hasCredentials(config: Config, store: ObjectStore, hasPublicAddress: boolean): Promise<boolean> {
  if (!hasPublicAddress || bucketCredentials(config) !== undefined) return true;
  try {
    await store.presignGet('probe', { expiresInSeconds: 1 });
    return true;
  } catch {
    return false;
  }
}
