/** Everything on one machine: bucket, queue and its dead-letter queue, RunPod endpoint, workers, a consumer and the API. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { readConfig } from '../config.ts';
import { startBucket } from '../local/bucket/bucket.ts';
import { startEndpoint } from '../local/endpoint/endpoint.ts';
import { LOOPBACK } from '../local/loopback-server.ts';
import type { Logger } from '../log.ts';
import { startApiProcess } from './api-process.ts';
import { startConsumer } from './consumer-process.ts';
import { removeLocalEnvironment, writeLocalEnvironment } from './local-environment.ts';
import { choosePorts, rememberPorts } from './local-ports.ts';
import { type LocalQueue, type QueueKind, startLocalQueue } from './local-queue.ts';
import { startWorkerPool } from './worker-pool.ts';

export interface LocalStackOptions {
  readonly dataDir: string;
  /** The bucket's; the queue's, the endpoint's and the API's are the next three. 0 picks free ones, and the same the next time. */
  readonly port: number;
  /** SQS unless told. */
  readonly queue?: QueueKind;
  readonly workers: number;
  /** False leaves consuming to a `millrace consume` of its own. */
  readonly consume: boolean;
  /** Hosts (host:port) that inputs may name although they are on this machine. */
  readonly allowHosts?: readonly string[];
  /** Settings that the consumer and the workers get beside those of the stack. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  /** Where the workers' log lines go. */
  readonly onWorkerLine?: (line: string) => void;
}

export interface LocalStack {
  /** What `millrace dev --json` prints. */
  readonly description: StackDescription;
  /** What a command needs to work with it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where its consumer serves health and metrics; undefined without MILLRACE_HEALTH_ADDRESS. */
  readonly healthUrl: string | undefined;
  /** The folder that holds the bucket's objects as plain files. */
  readonly bucketFolder: string;
  /** In order: API, consumer, workers, endpoint, bucket, queue. */
  stop(): Promise<void>;
}

export interface StackDescription {
  readonly bucket: {
    readonly name: string;
    readonly endpoint: string;
    readonly region: string;
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  };
  readonly queue: LocalQueue['description'];
  readonly runpod: { readonly url: string; readonly apiKey: string };
  readonly api: { readonly url: string; readonly token: string };
}

type StackParts = Omit<StackDescription, 'api'>;

export const LOCAL_BUCKET = 'videos';
const REGION = 'us-east-1';
/** Polling this machine costs nothing, and Ctrl-C waits for the poll that is under way. */
const LOCAL_POLL_SECONDS = 1;
/** A run is given to another worker after three missed pings: soon, where a killed `millrace dev` is started again. */
const LOCAL_PING_INTERVAL_MS = 4_000;
const WORKER_SETTINGS: readonly string[] = ['FFMPEG_PATH', 'FFPROBE_PATH', 'MILLRACE_FONTS_DIR', 'MILLRACE_LOG_LEVEL'];
/** The names that OpenTelemetry's own SDK reads are more than this repository's table has. */
const isPassedOn = (name: string): boolean => WORKER_SETTINGS.includes(name) || name.startsWith('OTEL_');

/** Starts the parts in the order that each needs the last; what has started is stopped again where one cannot. */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const { dataDir, log, env } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    removeLocalEnvironment(dataDir);
    for (const stopPart of stops.splice(0).reverse()) await stopPart();
  };
  try {
    const ports = await choosePorts(dataDir, options.port);
    const keys = readKeys(dataDir);
    const signing = { accessKeyId: keys.accessKeyId, secretAccessKey: keys.secretAccessKey, region: REGION };
    const queue = await startLocalQueue(options.queue ?? 'sqs', {
      dataDir,
      port: ports.queue,
      ...signing,
      apiToken: keys.apiKey,
      notificationsOf: (name) => bucket.notifications(name),
      log,
    });
    stops.push(() => queue.close());
    const bucketFolder = join(dataDir, 'bucket', LOCAL_BUCKET);
    const serviceAccountFile = join(dataDir, 'google-service-account.json');
    const bucket = await startBucket({
      dataDir: join(dataDir, 'bucket'),
      port: ports.bucket,
      ...signing,
      buckets: [LOCAL_BUCKET],
      serviceAccountFile,
      ...topicOf(queue),
      deliver: (_, notification) => queue.deliver(notification),
      log,
    });
    stops.push(() => bucket.close());
    await notifyQueue(bucket.endpoint, signing, `${readConfig(env).MILLRACE_PIPELINES_PREFIX}/`);
    const endpoint = await startEndpoint({
      dataDir: join(dataDir, 'runpod'),
      port: ports.endpoint,
      apiKey: keys.apiKey,
      pingIntervalMs: LOCAL_PING_INTERVAL_MS,
      log,
    });
    stops.push(() => endpoint.close());

    const parts: StackParts = {
      bucket: { name: LOCAL_BUCKET, endpoint: bucket.endpoint, ...signing },
      queue: queue.description,
      runpod: { url: endpoint.runUrl, apiKey: keys.apiKey },
    };
    const environment = {
      ...environmentOf(parts),
      ...queue.environment,
      ...(queue.description.kind === 'pubsub' ? googleEnvironment(parts, serviceAccountFile) : {}),
      MILLRACE_API_TOKENS: keys.apiToken,
    };
    const config = readConfig({ ...env, ...environment });
    const allowHosts = [bucket.endpoint.replace('http://', ''), ...(options.allowHosts ?? [])].join(',');
    const passedOn = Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) => (value !== undefined && isPassedOn(name) ? [[name, value]] : [])),
    );
    const pool = startWorkerPool({
      workers: options.workers,
      log,
      environment: (workerId) => ({ ...passedOn, ...endpoint.workerEnvironment(workerId), HTTP_ALLOW_HOSTS: allowHosts }),
      ...(options.onWorkerLine === undefined ? {} : { onLogLine: options.onWorkerLine }),
    });
    stops.push(() => pool.stop());
    const consumer = options.consume ? await startConsumer(config, log, { waitTimeSeconds: LOCAL_POLL_SECONDS }) : undefined;
    if (consumer !== undefined) stops.push(() => consumer.stop());
    // Its audit of dead letters lies with the rest of the data, wherever this was started.
    const allowed = [...config.HTTP_ALLOW_HOSTS, ...(options.allowHosts ?? [])];
    const api = await startApiProcess({ ...config, MILLRACE_DATA: dataDir, HTTP_ALLOW_HOSTS: allowed }, log, {
      host: LOOPBACK,
      port: ports.api,
      registry: consumer?.registry,
      letterPollSeconds: 0,
    });
    stops.push(() => api.stop());
    await rememberPorts(dataDir, {
      bucket: portOf(bucket.endpoint),
      queue: queue.port,
      endpoint: portOf(endpoint.endpoint),
      api: api.port,
    });
    const description: StackDescription = { ...parts, api: { url: api.url, token: keys.apiToken } };
    await writeLocalEnvironment(dataDir, environment);
    return { description, environment, healthUrl: consumer?.healthUrl, bucketFolder, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

const Keys = z.object({
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  apiKey: z.string(),
  apiToken: z.string(),
});
type Keys = z.infer<typeof Keys>;

/** Made once per data folder: even on loopback, a key that everybody knows is none. */
function readKeys(dataDir: string): Keys {
  const file = join(dataDir, 'keys.json');
  mkdirSync(dataDir, { recursive: true });
  const fresh: Keys = {
    accessKeyId: `LOCAL${random(8).toUpperCase()}`,
    secretAccessKey: random(20),
    apiKey: random(20),
    apiToken: random(20),
  };
  const known = readKnownKeys(file);
  const keys = { ...fresh, ...known };
  if (Object.keys(known).length < Object.keys(fresh).length) {
    writeFileSync(file, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  }
  return keys;
}

/** Those that there are: a data folder of an earlier version may have fewer. */
function readKnownKeys(file: string): Partial<Keys> {
  try {
    return withoutUndefined(Keys.partial().parse(JSON.parse(readFileSync(file, 'utf8'))));
  } catch {
    return {};
  }
}

function withoutUndefined(keys: { [N in keyof Keys]?: Keys[N] | undefined }): Partial<Keys> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}

const portOf = (origin: string): number => Number(new URL(origin).port);

const random = (bytes: number): string => randomBytes(bytes).toString('hex');

/** Every notification of the local bucket goes to the one queue. */
function topicOf({ topic }: LocalQueue) {
  return topic === undefined ? {} : { topicOf: () => topic };
}

interface Signing {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** The same configuration that a deployment on AWS needs: both kinds of event, and the prefix with its slash. */
async function notifyQueue(endpoint: string, { region, ...credentials }: Signing, prefix: string): Promise<void> {
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await client.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: LOCAL_BUCKET,
      NotificationConfiguration: {
        QueueConfigurations: [
          {
            Id: 'millrace',
            // The one queue there is, whatever its kind: S3 knows no other name for one.
            QueueArn: `arn:aws:sqs:${region}:000000000000:millrace`,
            Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'],
            Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: prefix }] } },
          },
        ],
      },
    }),
  );
  client.destroy();
}

function environmentOf({ bucket, queue, runpod }: StackParts): Record<string, string> {
  return {
    VIDEOS_BUCKET: `s3://${bucket.name}`,
    S3_ENDPOINT_URL: bucket.endpoint,
    S3_REGION: bucket.region,
    S3_ADDRESSING_STYLE: 'path',
    HMAC_KEY: bucket.accessKeyId,
    HMAC_SECRET: bucket.secretAccessKey,
    AWS_ACCESS_KEY_ID: bucket.accessKeyId,
    AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
    AWS_SESSION_TOKEN: '',
    MILLRACE_QUEUE_URL: queue.url,
    MILLRACE_DEAD_LETTER_QUEUE_URL: queue.deadLetterUrl,
    RUNPOD_ENDPOINT: runpod.url,
    RUNPOD_API_KEY: runpod.apiKey,
  };
}

/** A deployment on Google has no AWS name anywhere: the same bucket, through Google's API. */
function googleEnvironment({ bucket }: StackParts, serviceAccountFile: string): Record<string, string> {
  return {
    VIDEOS_BUCKET: `gs://${bucket.name}`,
    MILLRACE_GCS_ENDPOINT: bucket.endpoint,
    GOOGLE_APPLICATION_CREDENTIALS: serviceAccountFile,
    S3_ENDPOINT_URL: '',
    HMAC_KEY: '',
    HMAC_SECRET: '',
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
  };
}
