/**
 * The environment, read once. Every variable stands in one table here, which is the table in the README too.
 * Names without `MILLRACE_` are those of the original template: deployments have them already.
 */
import { z } from 'zod';
import { MillraceError } from './errors.ts';
import { LOG_LEVELS } from './log.ts';

/** sysexits.h's EX_CONFIG: what every command exits with when its environment is not right. */
export const EXIT_CONFIG = 78;

type Environment = Readonly<Record<string, string | undefined>>;

const Text = z.string().min(1);
const Url = z.string().regex(/^https?:\/\/[^\s/]+/, { error: 'expected an http(s) URL' });
const Flag = z.stringbool({ error: 'expected true or false' });
const Prefix = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9._-]+)*$/, { error: 'expected a key prefix without a slash at either end' });
const BucketName = z.string().regex(/^((s3|gs):\/\/)?[a-z0-9][a-z0-9._-]{1,221}$/, {
  error: 'expected a bucket, such as videos, s3://videos or gs://videos',
});
const HostList = list(z.string().regex(/^[^\s/,]+$/, { error: 'expected hosts, such as example.com,127.0.0.1:8080' }));
const UriPrefixList = list(z.string().regex(/^(s3|gs):\/\/[^\s,]+$/, { error: 'expected s3:// or gs:// prefixes' }));
const QueueName = z.string().regex(/^(https?:\/\/[^\s/]+\/\S+|projects\/[^\s/]+\/subscriptions\/[^\s/]+)$/, {
  error: "expected an SQS queue's URL, a Cloudflare queue's API URL, or projects/<project>/subscriptions/<name>",
});
const HostAndPort = z.string().regex(/^[^\s/:]+:\d+$/, { error: 'expected host:port' });
const ListenAddress = z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s/:]+):\d{1,5}$/, {
  error: 'expected host:port, such as 127.0.0.1:9464',
});
const Ratio = z
  .string()
  .regex(/^(0|1|0?\.\d+|[01]\.0+|0\.\d+)$/, { error: 'expected a number from 0 to 1' })
  .transform(Number);
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
const SecretList = list(
  z
    .string()
    .regex(/^(whsec_)?[A-Za-z0-9+/]{32,86}={0,2}$/, { error: 'expected base64 of 24 to 64 random bytes, whsec_ in front' }),
);
const EventList = list(z.string().regex(/^(job|stage)\.ended$/, { error: 'expected job.ended, stage.ended, or both' }));
const TokenList = list(
  z.string().regex(/^[\x21-\x2b\x2d-\x7e]{16,512}$/, { error: 'expected tokens of 16 to 512 characters, without spaces' }),
);
const EndpointList = list(
  z.string().regex(/^[A-Za-z0-9][\w-]*=\S+$/, { error: 'expected name=endpoint pairs, such as talker=abc123' }),
);

const PriceList = list(
  z.string().regex(/^([A-Za-z0-9][\w-]*=)?\d+(\.\d+)?$/, {
    error: 'expected dollars, and name=dollars for other endpoints, such as 0.00031,talker=0.00058',
  }),
).transform((entries): Readonly<Record<string, number>> => {
  const pairs = entries
    .map((entry) => entry.split('='))
    .map(([name = '', price]) => [price === undefined ? 'default' : name, Number(price ?? name)]);
  return Object.fromEntries(pairs);
});

function list<T extends z.ZodType<string, string>>(entry: T) {
  return z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(entry));
}

function whole(least: number, most: number) {
  return z
    .string()
    .regex(/^\d+$/, { error: `expected a whole number from ${least} to ${most}` })
    .transform(Number)
    .refine((value) => value >= least && value <= most, { error: `expected a whole number from ${least} to ${most}` });
}

interface Variable {
  readonly schema: z.ZodType<unknown, string>;
  readonly default?: string;
  /** Shown in errors and in the README. */
  readonly about: string;
  readonly group: 'Bucket' | 'RunPod' | 'Queue' | 'Pipeline' | 'API' | 'Worker' | 'Telemetry' | 'Local';
  /** Never shown. */
  readonly secret?: true;
}

type More = { readonly default?: string; readonly secret?: true };

function variable<S extends Variable['schema'], const M extends More = Record<never, never>>(
  group: Variable['group'],
  schema: S,
  about: string,
  more?: M,
): { readonly group: Variable['group']; readonly schema: S; readonly about: string } & M {
  // Nothing stands for an empty object, which is what M is then.
  return { group, schema, about, ...(more ?? ({} as M)) };
}

/** Every variable that Millrace reads, but for those that RunPod sets in its containers. */
export const VARIABLES = {
  VIDEOS_BUCKET: variable(
    'Bucket',
    BucketName,
    'The bucket of the jobs and their state. `s3://` or `gs://` in front says which kind of store.',
    { default: 'videos' },
  ),
  S3_ENDPOINT_URL: variable(
    'Bucket',
    Url,
    'The S3 API. For AWS: `https://s3.<region>.amazonaws.com`; for R2: `https://<account>.r2.cloudflarestorage.com`.',
    {
      default: 'https://storage.googleapis.com',
    },
  ),
  S3_REGION: variable('Bucket', Text, 'The region that requests are signed for. R2 and Google take `auto`.', { default: 'auto' }),
  S3_ADDRESSING_STYLE: variable('Bucket', z.enum(['virtual', 'path']), '`virtual` (the bucket in the host name) or `path`.', {
    default: 'virtual',
  }),
  HMAC_KEY: variable('Bucket', Text, 'Access key of the bucket; used before `AWS_ACCESS_KEY_ID`.', { secret: true }),
  HMAC_SECRET: variable('Bucket', Text, 'Its secret.', { secret: true }),
  AWS_ACCESS_KEY_ID: variable(
    'Bucket',
    Text,
    'Access key of the bucket (without `HMAC_KEY`) and of SQS. Without any key the AWS SDK looks for a role.',
    { secret: true },
  ),
  AWS_SECRET_ACCESS_KEY: variable('Bucket', Text, 'Its secret.', { secret: true }),
  AWS_SESSION_TOKEN: variable('Bucket', Text, 'Its session, where it has one. Presigned URLs cannot outlive it.', {
    secret: true,
  }),
  GOOGLE_APPLICATION_CREDENTIALS: variable(
    'Bucket',
    Text,
    'For `gs://` and Pub/Sub: a service account\u2019s key file. Without it Google\u2019s client looks for the machine\u2019s own account.',
  ),
  MILLRACE_GCS_ENDPOINT: variable(
    'Bucket',
    Url,
    'For `gs://`: another server with Google\u2019s API, such as the one of `millrace dev`.',
  ),
  R2_PUBLIC_BASE_URL: variable('Bucket', Url, 'Where a worker without credentials reads `s3://` inputs.'),
  R2_PUBLIC_BUCKET: variable('Bucket', Text, 'The only bucket that `R2_PUBLIC_BASE_URL` serves.'),

  RUNPOD_ENDPOINT: variable('RunPod', Text, 'The endpoint: its id, its base URL, or that with `/run` or `/runsync`.'),
  RUNPOD_API_KEY: variable('RunPod', Text, 'The API key.', { secret: true }),
  MILLRACE_ENDPOINTS: variable(
    'RunPod',
    EndpointList,
    'Other endpoints that stages may name: `name=endpoint`, comma-separated. They share the API key.',
    { default: '' },
  ),

  MILLRACE_QUEUE_URL: variable(
    'Queue',
    QueueName,
    'The queue that the bucket notifies. SQS: its URL; Cloudflare: `https://api.cloudflare.com/client/v4/accounts/<account>/queues/<id>`; Pub/Sub: `projects/<project>/subscriptions/<name>`.',
  ),
  MILLRACE_DEAD_LETTER_QUEUE_URL: variable(
    'Queue',
    QueueName,
    'Where messages go that can never be read, in the same form (for Pub/Sub: the subscription on the dead-letter topic). Without it they go by the queue\u2019s own policy.',
  ),
  MILLRACE_QUEUE_REGION: variable('Queue', Text, 'The region of SQS; taken from the queue\u2019s URL unless given.'),
  CLOUDFLARE_API_TOKEN: variable('Queue', Text, 'For Cloudflare Queues: a token that may read and write queues.', {
    secret: true,
  }),
  PUBSUB_EMULATOR_HOST: variable('Queue', HostAndPort, 'For Pub/Sub: an emulator in the place of Google\u2019s own service.'),
  MILLRACE_VISIBILITY_TIMEOUT_SECONDS: variable(
    'Queue',
    whole(5, 43_200),
    'How long a received message is ours without a sign of life.',
    { default: '60' },
  ),

  MILLRACE_PIPELINES_PREFIX: variable('Pipeline', Prefix, 'The notified prefix, where jobs lie.', { default: 'pipelines' }),
  MILLRACE_STATE_PREFIX: variable(
    'Pipeline',
    Prefix,
    'Where consumers keep their state; must not start with the notified prefix and a slash.',
    { default: 'pipelines-state' },
  ),
  MILLRACE_PIPELINE_FILE: variable('Pipeline', Text, 'A `pipeline.json` that replaces the built-in one for all jobs.'),
  MILLRACE_JOB_PIPELINES: variable('Pipeline', Flag, 'May a job bring its own `pipeline.json`?', { default: 'true' }),
  MILLRACE_WEBHOOK_URL: variable('Pipeline', Url, 'Is called when a job or a stage has ended. Needs `MILLRACE_WEBHOOK_SECRET`.', {
    secret: true,
  }),
  MILLRACE_WEBHOOK_EVENTS: variable('Pipeline', EventList, 'What that URL is told: `job.ended`, `stage.ended`, or both.', {
    default: 'job.ended,stage.ended',
  }),
  MILLRACE_WEBHOOK_SECRET: variable(
    'Pipeline',
    SecretList,
    'What webhooks are signed with: `whsec_` and base64 of 24 to 64 random bytes. Two, comma-separated, while one replaces the other.',
    { secret: true },
  ),
  MILLRACE_JOB_WEBHOOKS: variable('Pipeline', Flag, 'May a job bring its own `webhooks.json`?', { default: 'true' }),
  MILLRACE_ALLOWED_URI_PREFIXES: variable(
    'Pipeline',
    UriPrefixList,
    '`s3://` and `gs://` prefixes that manifests may name beside their own job, comma-separated.',
    { default: '' },
  ),
  MILLRACE_MAX_SEGMENTS: variable('Pipeline', whole(1, 1_000_000), 'The most segments (or other items) of one manifest.', {
    default: '100000',
  }),
  MILLRACE_MAX_MANIFEST_BYTES: variable('Pipeline', whole(1024, 1_073_741_824), 'The largest manifest that is read, in bytes.', {
    default: '33554432',
  }),
  MILLRACE_CONCURRENCY: variable('Pipeline', whole(1, 1000), 'How many jobs one consumer looks at at once.', { default: '8' }),
  MILLRACE_SWEEP_SECONDS: variable(
    'Pipeline',
    whole(1, 3600),
    'How often a consumer tries for the sweep; one consumer a minute gets it.',
    { default: '30' },
  ),
  MILLRACE_AUDIT_MINUTES: variable(
    'Pipeline',
    whole(0, 10_080),
    'How often the bucket is looked through for jobs whose events were lost; 0 never.',
    { default: '60' },
  ),
  MILLRACE_MAX_RUNS_IN_FLIGHT: variable(
    'Pipeline',
    whole(0, 10_000),
    'The most runs that one endpoint may have queued or running; jobs share them. 0 is no ceiling.',
    { default: '100' },
  ),

  MILLRACE_MAX_TTL_SECONDS: variable(
    'Pipeline',
    whole(60, 604_800),
    'The longest that a run may wait and work, whatever its stage says; presigned URLs are valid as long. Set it below the session when the keys are a role\u2019s.',
    {
      default: '604800',
    },
  ),

  MILLRACE_API_HOST: variable(
    'API',
    z.string().regex(/^[\w.:-]+$/, { error: 'expected an address or a host name, such as 0.0.0.0' }),
    'The address that `millrace api` listens on. Another than loopback needs `MILLRACE_API_TOKENS`.',
    { default: '127.0.0.1' },
  ),
  MILLRACE_API_PORT: variable('API', whole(0, 65_535), 'Its port; 0 picks a free one.', { default: '8080' }),
  MILLRACE_API_TOKENS: variable(
    'API',
    TokenList,
    'Who may ask: tokens of 16 to 512 characters, comma-separated; `openssl rand -hex 24` makes one.',
    { secret: true, default: '' },
  ),
  MILLRACE_API_METRICS_TOKENS: variable(
    'API',
    TokenList,
    'Tokens that may read `/metrics` and nothing else, for Prometheus. Needs `MILLRACE_API_TOKENS`.',
    { secret: true, default: '' },
  ),
  MILLRACE_API_REQUESTS_PER_MINUTE: variable('API', whole(0, 1_000_000), 'The most requests of one token; 0 is no limit.', {
    default: '1200',
  }),
  MILLRACE_API_MAX_STREAMS: variable('API', whole(1, 10_000), 'The most event streams that are open at once.', {
    default: '100',
  }),
  VIDEOS_PUBLIC_BASE_URL: variable(
    'API',
    Url,
    'Where the API reads `s3://` objects that it has no keys for; `R2_PUBLIC_BASE_URL` unless given.',
  ),
  VIDEOS_PUBLIC_BUCKET: variable('API', Text, 'The only bucket that this address serves; `R2_PUBLIC_BUCKET` unless given.'),

  FFMPEG_PATH: variable('Worker', Text, 'The ffmpeg to use; else the system\u2019s, else the one that npm carries.'),
  FFPROBE_PATH: variable('Worker', Text, 'The ffprobe to use; found like ffmpeg.'),
  HTTP_ALLOW_HOSTS: variable(
    'Worker',
    HostList,
    'Hosts (or host:port) that `http(s)` inputs and webhooks may name although they are private, comma-separated.',
    { default: '' },
  ),
  MILLRACE_WORK_DIR: variable(
    'Worker',
    Text,
    'Where tasks keep their files while they work; the system\u2019s temporary folder unless given.',
  ),
  MILLRACE_FONTS_DIR: variable('Worker', Text, 'Fonts for burnt-in subtitles; those that npm carries unless given.'),
  MILLRACE_WORKER_CONCURRENCY: variable('Worker', whole(1, 64), 'How many runs one worker takes at once.', { default: '1' }),
  MILLRACE_REQUIRE_GPU: variable(
    'Worker',
    Flag,
    'Must a worker refuse to start where no GPU proves, by encoding, that it can encode H.264?',
    { default: 'false' },
  ),
  MILLRACE_TASK_TIME_LIMIT_SECONDS: variable('Worker', whole(5, 604_800), 'The longest that one task may take.', {
    default: '21600',
  }),
  MILLRACE_TASK_DISK_QUOTA_BYTES: variable(
    'Worker',
    whole(1_048_576, 1_099_511_627_776),
    'The most that the files of one task may take; DISK_FULL beyond.',
    { default: '17179869184' },
  ),
  MILLRACE_MASTER_CACHE_BYTES: variable(
    'Worker',
    whole(0, 1_099_511_627_776),
    'The most that seekable copies of mp3 and ADTS masters may take, which a worker keeps between tasks. 0 keeps none.',
    { default: '2147483648' },
  ),

  MILLRACE_HEALTH_ADDRESS: variable(
    'Telemetry',
    ListenAddress,
    'Where a consumer serves `/healthz`, `/readyz` and `/metrics`, without a password: `127.0.0.1:9464`, say. Off unless set.',
  ),
  MILLRACE_GPU_PRICE_PER_SECOND: variable(
    'Telemetry',
    PriceList,
    'What a second of a worker costs in dollars, for estimates; `name=price` behind it for endpoints of MILLRACE_ENDPOINTS, comma-separated.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: variable(
    'Telemetry',
    Url,
    'An OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`: consumers, workers and the API send their traces there. Off unless set.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: variable('Telemetry', Url, 'The same for traces alone, with its path.'),
  OTEL_SDK_DISABLED: variable('Telemetry', Flag, 'Sends no traces, whatever else is set.', { default: 'false' }),
  OTEL_SERVICE_NAME: variable(
    'Telemetry',
    Text,
    'The name in traces; `millrace-consumer`, `millrace-worker` or `millrace-api` unless given.',
  ),
  OTEL_TRACES_SAMPLER: variable('Telemetry', z.enum(SAMPLERS), `Which traces are kept: one of ${SAMPLERS.join(', ')}.`, {
    default: 'parentbased_always_on',
  }),
  OTEL_TRACES_SAMPLER_ARG: variable('Telemetry', Ratio, 'The share that the samplers by ratio keep, from 0 to 1.', {
    default: '1',
  }),

  MILLRACE_DATA: variable('Local', Text, 'Where `millrace dev` keeps its data.', { default: '.millrace' }),
  MILLRACE_LOG_LEVEL: variable('Local', z.enum(LOG_LEVELS), `One of ${LOG_LEVELS.join(', ')}.`, { default: 'info' }),
} as const satisfies Record<string, Variable>;

export type VariableName = keyof typeof VARIABLES;

type Value<N extends VariableName> = z.output<(typeof VARIABLES)[N]['schema']>;
type HasDefault<N extends VariableName> = (typeof VARIABLES)[N] extends { readonly default: string } ? true : false;

/** Every variable parsed; those without a value and without a default are `undefined`. */
export type Config = { readonly [N in VariableName]: HasDefault<N> extends true ? Value<N> : Value<N> | undefined };

/** Throws CONFIG_INVALID with a line for everything that is wrong, not only the first. Empty values count as absent. */
export function readConfig(env: Environment): Config {
  const wrong: string[] = [];
  const entries = Object.entries<Variable>(VARIABLES).map(([name, { schema, default: fallback, secret }]) => {
    const given = env[name]?.trim();
    const text = given === undefined || given === '' ? fallback : given;
    if (text === undefined) return [name, undefined] as const;
    const parsed = schema.safeParse(text);
    if (parsed.success) return [name, parsed.data] as const;
    wrong.push(
      `${name}: ${wording(parsed.error)}, found ${secret === true ? 'another value (not shown)' : JSON.stringify(text)}`,
    );
    return [name, undefined] as const;
  });
  // Every name has been parsed by its own schema just above, which is what the type says.
  const config = Object.fromEntries(entries) as unknown as Config;
  wrong.push(...contradictions(config));
  if (wrong.length > 0) throw invalid(wrong);
  return config;
}

function wording(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue?.code === 'invalid_value') return `expected one of ${issue.values.join(', ')}`;
  return issue?.message.startsWith('expected') === true ? issue.message : 'expected another value';
}

function contradictions(config: Config): string[] {
  const wrong: string[] = [];
  for (const [key, secret] of [
    ['HMAC_KEY', 'HMAC_SECRET'],
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
  ] as const) {
    const [there, missing] = config[key] === undefined ? [secret, key] : [key, secret];
    if (config[there] !== undefined && config[missing] === undefined)
      wrong.push(`${missing}: expected a value, because ${there} has one`);
  }
  if (config.MILLRACE_WEBHOOK_URL !== undefined && (config.MILLRACE_WEBHOOK_SECRET ?? []).length === 0) {
    wrong.push('MILLRACE_WEBHOOK_SECRET: expected a value, because MILLRACE_WEBHOOK_URL has one');
  }
  const endpoints = (config.MILLRACE_ENDPOINTS ?? []).map((pair) => pair.slice(0, pair.indexOf('=')));
  for (const name of Object.keys(config.MILLRACE_GPU_PRICE_PER_SECOND ?? {})) {
    if (name === 'default' || endpoints.includes(name)) continue;
    wrong.push(`MILLRACE_GPU_PRICE_PER_SECOND: expected names of MILLRACE_ENDPOINTS, found "${name}"`);
  }
  const { MILLRACE_PIPELINES_PREFIX: pipelines, MILLRACE_STATE_PREFIX: state } = config;
  if (state !== undefined && (state === pipelines || state.startsWith(`${pipelines}/`))) {
    wrong.push(
      `MILLRACE_STATE_PREFIX: expected a prefix outside ${pipelines}/, or its objects would wake their own jobs, found "${state}"`,
    );
  }
  return wrong;
}

type Present<N extends VariableName> = Config & { readonly [K in N]: NonNullable<Config[K]> };

/** The same config, once it is known that `names` have values. Throws CONFIG_INVALID naming all that have none. */
export function requireVariables<N extends VariableName>(config: Config, names: readonly N[]): Present<N> {
  const missing = names.filter((name) => config[name] === undefined);
  if (missing.length > 0)
    throw invalid(missing.map((name) => `${name}: expected a value, found nothing. ${VARIABLES[name].about}`));
  // Checked on the line above.
  return config as Present<N>;
}

function invalid(lines: readonly string[]): MillraceError {
  const message = `The environment is not right:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new MillraceError('CONFIG_INVALID', message, {
    fix: 'Set the variables and start again; the README has a table of all of them.',
  });
}
