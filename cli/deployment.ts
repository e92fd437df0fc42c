/** From the environment to the parts that commands work with: the bucket, the stage graph, RunPod. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Config, requireVariables } from '../config.ts';
import { MillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { parseDocument } from '../manifests/parse.ts';
import { Pipeline } from '../manifests/pipeline.ts';
import { createFactStore } from '../pipeline/facts.ts';
import { type Graph, requireGraph } from '../pipeline/graph.ts';
import type { JobPlanner } from '../pipeline/job-plan.ts';
import { createLayout } from '../pipeline/layout.ts';
import type { Reconciler } from '../pipeline/reconcile.ts';
import { createRunpodDispatcher, type RunpodDispatcher } from '../runpod/endpoint.ts';
import { createGcsStore } from '../storage/gcs-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { S3Credentials } from '../storage/s3-client.ts';
import { createS3Store } from '../storage/s3-store.ts';
import { webhookSettings } from './webhook-settings.ts';

const BUILT_IN_PIPELINE = new URL('../manifests/built-in.pipeline.json', import.meta.url);

export interface BucketAddress {
  readonly scheme: 's3' | 'gs';
  readonly bucket: string;
}

/** `videos`, `s3://videos` or `gs://videos`. */
export function bucketAddress(config: Config): BucketAddress {
  const [, scheme, bucket = ''] = /^(?:(s3|gs):\/\/)?(.+)$/.exec(config.VIDEOS_BUCKET) ?? [];
  return { scheme: scheme === 'gs' ? 'gs' : 's3', bucket };
}

/** The keys that the settings name for the bucket; `undefined` leaves it to the SDK's own chain (a role, say). */
export function bucketCredentials(config: Config): S3Credentials | undefined {
  if (config.HMAC_KEY !== undefined && config.HMAC_SECRET !== undefined) {
    return { accessKeyId: config.HMAC_KEY, secretAccessKey: config.HMAC_SECRET };
  }
  return awsCredentials(config);
}

export function awsCredentials(config: Config): S3Credentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = config;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

export function createStores(config: Config): (scheme: 's3' | 'gs', bucket: string) => ObjectStore {
  const stores = new Map<string, ObjectStore>();
  return (scheme, bucket) => {
    const id = `${scheme}://${bucket}`;
    const store =
      stores.get(id) ?? (scheme === 'gs' && usesGoogle(config) ? gcsStore(config, bucket) : s3Store(config, scheme, bucket));
    stores.set(id, store);
    return store;
  };
}

/**
 * Whether `gs://` goes through Google's own client. With HMAC keys, as the original template has them, it goes through the S3-interoperable
 * API, but never where the state lies there: that API lets several writers create one key.
 */
export function usesGoogle(config: Config): boolean {
  if (bucketAddress(config).scheme === 'gs') return true;
  return config.HMAC_KEY === undefined && config.GOOGLE_APPLICATION_CREDENTIALS !== undefined;
}

function gcsStore(
  { MILLRACE_GCS_ENDPOINT: apiEndpoint, GOOGLE_APPLICATION_CREDENTIALS: keyFile }: Config,
  bucket: string,
): ObjectStore {
  return createGcsStore({
    bucket,
    ...(apiEndpoint === undefined ? {} : { apiEndpoint }),
    ...(keyFile === undefined ? {} : { keyFile }),
  });
}

function s3Store(config: Config, scheme: 's3' | 'gs', bucket: string): ObjectStore {
  const credentials = bucketCredentials(config);
  return createS3Store({
    scheme,
    bucket,
    endpoint: config.S3_ENDPOINT_URL,
    region: config.S3_REGION,
    addressingStyle: config.S3_ADDRESSING_STYLE,
    ...(credentials === undefined ? {} : { credentials }),
  });
}

/** What plans jobs: enough for `status` and `plan`, which write nothing. */
export function createPlanner(config: Config, storeFor = createStores(config)): JobPlanner {
  const { scheme, bucket } = bucketAddress(config);
  const store = storeFor(scheme, bucket);
  const layout = createLayout({ pipelinesPrefix: config.MILLRACE_PIPELINES_PREFIX, statePrefix: config.MILLRACE_STATE_PREFIX });
  return {
    store,
    layout,
    graph: readGraph(config),
    facts: createFactStore({ store, layout }),
    settings: {
      maxSegments: config.MILLRACE_MAX_SEGMENTS,
      maxManifestBytes: config.MILLRACE_MAX_MANIFEST_BYTES,
      jobPipelines: config.MILLRACE_JOB_PIPELINES,
      jobWebhooks: config.MILLRACE_JOB_WEBHOOKS,
      endpoints: config.MILLRACE_ENDPOINTS.map((pair) => pair.slice(0, pair.indexOf('='))),
      allowedUriPrefixes: config.MILLRACE_ALLOWED_URI_PREFIXES,
    },
    now: Date.now,
  };
}

/** The client of RunPod's endpoints. Throws CONFIG_INVALID where RunPod is not set up. */
export function createRunpod(config: Config, log: Logger): RunpodDispatcher {
  const { RUNPOD_ENDPOINT, RUNPOD_API_KEY: apiKey } = requireVariables(config, ['RUNPOD_ENDPOINT', 'RUNPOD_API_KEY']);
  const named = config.MILLRACE_ENDPOINTS.map((pair) => {
    const equals = pair.indexOf('=');
    return [pair.slice(0, equals), { url: pair.slice(equals + 1), apiKey }] as const;
  });
  return createRunpodDispatcher({ endpoints: { default: { url: RUNPOD_ENDPOINT, apiKey }, ...Object.fromEntries(named) }, log });
}

/** What a consumer reconciles with. Throws CONFIG_INVALID where RunPod is not set up. */
export function createReconciler(config: Config, log: Logger): Reconciler {
  const dispatcher = createRunpod(config, log);
  const storeFor = createStores(config);
  const webhooks = webhookSettings(config);
  return {
    ...createPlanner(config, storeFor),
    ...(webhooks === undefined ? {} : { webhooks }),
    storeFor,
    maxTtlSeconds: config.MILLRACE_MAX_TTL_SECONDS,
    maxRunsInFlight: config.MILLRACE_MAX_RUNS_IN_FLIGHT,
    dispatcher,
    consumerId: createProcessId(),
    randomId,
    log,
  };
}

const ID_BYTES = 8;
export const randomId = (): string => randomBytes(ID_BYTES).toString('hex');

/** Names this process in what it claims. */
export const createProcessId = (): string => `${hostname()}-${process.pid}-${randomId()}`;

function readGraph(config: Config): Graph {
  const file = config.MILLRACE_PIPELINE_FILE ?? BUILT_IN_PIPELINE;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MillraceError('CONFIG_INVALID', `MILLRACE_PIPELINE_FILE: ${String(file)} cannot be read`, { cause });
  }
  const parsed = parseDocument(Pipeline, text);
  if (parsed.ok) return requireGraph(parsed.value);
  const lines = parsed.errors.map((error) => `  ${error.text}`).join('\n');
  throw new MillraceError('CONFIG_INVALID', `MILLRACE_PIPELINE_FILE: ${String(file)} is not a pipeline:\n${lines}`);
}
