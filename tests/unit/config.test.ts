import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Config, EXIT_CONFIG, readConfig, requireVariables, VARIABLES, type VariableName } from '../../config.ts';
import { MillraceError } from '../../errors.ts';

/** A value that each variable refuses; null where any text will do. A new variable has to be added here. */
const WRONG: Readonly<Record<VariableName, string | null>> = {
  VIDEOS_BUCKET: 'https://videos',
  S3_ENDPOINT_URL: 'bucket.example.com',
  S3_REGION: null,
  S3_ADDRESSING_STYLE: 'sideways',
  HMAC_KEY: null,
  HMAC_SECRET: null,
  AWS_ACCESS_KEY_ID: null,
  AWS_SECRET_ACCESS_KEY: null,
  AWS_SESSION_TOKEN: null,
  GOOGLE_APPLICATION_CREDENTIALS: null,
  MILLRACE_GCS_ENDPOINT: 'storage.example.com',
  R2_PUBLIC_BASE_URL: 'ftp://public.example.com',
  R2_PUBLIC_BUCKET: null,
  RUNPOD_ENDPOINT: null,
  RUNPOD_API_KEY: null,
  MILLRACE_ENDPOINTS: 'talker',
  MILLRACE_QUEUE_URL: 'my-queue',
  MILLRACE_DEAD_LETTER_QUEUE_URL: 'my-dead-letters',
  MILLRACE_QUEUE_REGION: null,
  CLOUDFLARE_API_TOKEN: null,
  PUBSUB_EMULATOR_HOST: 'http://localhost',
  MILLRACE_VISIBILITY_TIMEOUT_SECONDS: '4',
  MILLRACE_PIPELINES_PREFIX: '/pipelines',
  MILLRACE_STATE_PREFIX: 'state/',
  MILLRACE_PIPELINE_FILE: null,
  MILLRACE_JOB_PIPELINES: 'perhaps',
  // Secrets: what was found is not shown. They have a test of their own.
  MILLRACE_WEBHOOK_URL: null,
  MILLRACE_WEBHOOK_EVENTS: 'job.started',
  MILLRACE_WEBHOOK_SECRET: null,
  MILLRACE_JOB_WEBHOOKS: 'perhaps',
  MILLRACE_ALLOWED_URI_PREFIXES: 's3://good/,https://bad/',
  MILLRACE_MAX_SEGMENTS: '0',
  MILLRACE_MAX_MANIFEST_BYTES: '1e6',
  MILLRACE_CONCURRENCY: '1001',
  MILLRACE_SWEEP_SECONDS: '-1',
  MILLRACE_AUDIT_MINUTES: 'hourly',
  MILLRACE_MAX_RUNS_IN_FLIGHT: '-1',
  MILLRACE_MAX_TTL_SECONDS: '59',
  MILLRACE_API_HOST: 'http://0.0.0.0',
  MILLRACE_API_PORT: '65536',
  // A secret too.
  MILLRACE_API_TOKENS: null,
  MILLRACE_API_METRICS_TOKENS: null,
  MILLRACE_API_REQUESTS_PER_MINUTE: 'many',
  MILLRACE_API_MAX_STREAMS: '0',
  VIDEOS_PUBLIC_BASE_URL: 'ftp://public.example.com',
  VIDEOS_PUBLIC_BUCKET: null,
  FFMPEG_PATH: null,
  FFPROBE_PATH: null,
  HTTP_ALLOW_HOSTS: 'http://example.com/',
  MILLRACE_WORK_DIR: null,
  MILLRACE_FONTS_DIR: null,
  MILLRACE_WORKER_CONCURRENCY: '1.5',
  MILLRACE_TASK_TIME_LIMIT_SECONDS: 'an hour',
  MILLRACE_MASTER_CACHE_BYTES: 'some',
  MILLRACE_REQUIRE_GPU: 'perhaps',
  MILLRACE_TASK_DISK_QUOTA_BYTES: 'some',
  MILLRACE_HEALTH_ADDRESS: ':9464',
  MILLRACE_GPU_PRICE_PER_SECOND: 'talker:0.1',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'collector:4317',
  OTEL_SDK_DISABLED: 'perhaps',
  OTEL_SERVICE_NAME: null,
  OTEL_TRACES_SAMPLER: 'some',
  OTEL_TRACES_SAMPLER_ARG: '2',
  MILLRACE_DATA: null,
  MILLRACE_LOG_LEVEL: 'loud',
};

const wrongOnes = Object.entries(WRONG).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
const SECRETS = Object.entries(VARIABLES).flatMap(([name, entry]) => ('secret' in entry ? [name] : []));

function refused(read: () => unknown): MillraceError {
  try {
    read();
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
  throw new Error('it was not refused');
}

const linesOf = (error: MillraceError): string[] => error.message.split('\n').slice(1);

describe('readConfig', () => {
  it('has a default for every variable that needs one: nothing set is right', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      ...{
        VIDEOS_BUCKET: 'videos',
        S3_ENDPOINT_URL: 'https://storage.googleapis.com',
        S3_REGION: 'auto',
        S3_ADDRESSING_STYLE: 'virtual',
      },
      ...{ MILLRACE_PIPELINES_PREFIX: 'pipelines', MILLRACE_STATE_PREFIX: 'pipelines-state', MILLRACE_JOB_PIPELINES: true },
      ...{ MILLRACE_ENDPOINTS: [], HTTP_ALLOW_HOSTS: [], MILLRACE_CONCURRENCY: 8, MILLRACE_LOG_LEVEL: 'info' },
    });
    for (const [name, entry] of Object.entries<object>(VARIABLES)) {
      expect(config[name as keyof Config] === undefined, name).toBe(!('default' in entry));
    }
  });

  it.each(wrongOnes)('refuses %s=%s by its name, with what it expected and found', (name, value) => {
    const error = refused(() => readConfig({ [name]: value }));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retryable: false });
    const [line, ...more] = linesOf(error).filter((each) => each.startsWith(`  ${name}: `));
    expect(more).toEqual([]);
    expect(line).toMatch(/: expected .+, found ".+"$/);
    expect(line).toContain(`found ${JSON.stringify(value)}`);
  });

  it('names all that is wrong at once, each in a line of its own', () => {
    const error = refused(() => readConfig(Object.fromEntries(wrongOnes)));
    const names = linesOf(error).map((line) => line.trim().split(':')[0]);
    expect(names.toSorted()).toEqual(wrongOnes.map(([name]) => name).toSorted());
  });

  it('counts an empty value, and one of spaces, as none', () => {
    const empty = Object.fromEntries(Object.keys(VARIABLES).map((name, index) => [name, index % 2 === 0 ? '' : '  ']));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });

  it('reads lists, numbers and flags as what they are', () => {
    const config = readConfig({
      ...{
        HTTP_ALLOW_HOSTS: ' example.com , 127.0.0.1:8080,',
        MILLRACE_ENDPOINTS: 'talker=abc123,face=https://api.runpod.ai/v2/x',
      },
      ...{
        MILLRACE_ALLOWED_URI_PREFIXES: 's3://masters/,gs://masters/2026/',
        MILLRACE_JOB_PIPELINES: 'no',
        MILLRACE_CONCURRENCY: ' 4 ',
      },
    });
    expect(config.HTTP_ALLOW_HOSTS).toEqual(['example.com', '127.0.0.1:8080']);
    expect(config.MILLRACE_ENDPOINTS).toEqual(['talker=abc123', 'face=https://api.runpod.ai/v2/x']);
    expect(config.MILLRACE_ALLOWED_URI_PREFIXES).toEqual(['s3://masters/', 'gs://masters/2026/']);
    expect(config).toMatchObject({ MILLRACE_JOB_PIPELINES: false, MILLRACE_CONCURRENCY: 4 });
  });

  it.each([
    { name: 'MILLRACE_WEBHOOK_SECRET', value: 'hunter2' },
    { name: 'MILLRACE_WEBHOOK_URL', value: 'hooks.example.com/token' },
  ])('refuses a $name that is none, without showing it', ({ name, value }) => {
    const error = refused(() => readConfig({ [name]: value }));
    expect(linesOf(error)[0]).toMatch(new RegExp(`^  ${name}: expected .+, found another value \\(not shown\\)$`));
    expect(error.message).not.toContain(value);
  });

  it('takes two secrets for webhooks, while one replaces the other', () => {
    const [old, fresh] = [randomBytes(24), randomBytes(64)].map((bytes) => `whsec_${bytes.toString('base64')}`);
    expect(readConfig({ MILLRACE_WEBHOOK_SECRET: `${fresh}, ${old}` }).MILLRACE_WEBHOOK_SECRET).toEqual([fresh, old]);
  });

  it.each(['videos', 's3://videos', 'gs://videos'])('takes %s for a bucket', (bucket) => {
    expect(readConfig({ VIDEOS_BUCKET: bucket }).VIDEOS_BUCKET).toBe(bucket);
  });

  it.each([
    { env: { HMAC_KEY: 'k' }, says: 'HMAC_SECRET: expected a value, because HMAC_KEY has one' },
    { env: { HMAC_SECRET: 's' }, says: 'HMAC_KEY: expected a value, because HMAC_SECRET has one' },
    { env: { AWS_ACCESS_KEY_ID: 'k' }, says: 'AWS_SECRET_ACCESS_KEY: expected a value, because AWS_ACCESS_KEY_ID has one' },
    { env: { AWS_SECRET_ACCESS_KEY: 's' }, says: 'AWS_ACCESS_KEY_ID: expected a value, because AWS_SECRET_ACCESS_KEY has one' },
    {
      env: { MILLRACE_WEBHOOK_URL: 'https://hooks.example.com/' },
      says: 'MILLRACE_WEBHOOK_SECRET: expected a value, because MILLRACE_WEBHOOK_URL has one',
    },
    { env: { MILLRACE_STATE_PREFIX: 'pipelines' }, says: 'expected a prefix outside pipelines/' },
    { env: { MILLRACE_PIPELINES_PREFIX: 'jobs', MILLRACE_STATE_PREFIX: 'jobs/state' }, says: 'expected a prefix outside jobs/' },
  ])('refuses what contradicts itself: $env', ({ env, says }) => {
    const lines = linesOf(refused(() => readConfig(env)));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(says);
  });

  it('lets a state prefix begin with the same letters as the notified one', () => {
    expect(readConfig({ MILLRACE_STATE_PREFIX: 'pipelines2' }).MILLRACE_STATE_PREFIX).toBe('pipelines2');
  });

  it('shows no secret, whatever else is wrong', () => {
    expect(SECRETS).toEqual([
      'HMAC_KEY',
      'HMAC_SECRET',
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_SESSION_TOKEN',
      'RUNPOD_API_KEY',
      'CLOUDFLARE_API_TOKEN',
      'MILLRACE_WEBHOOK_URL',
      'MILLRACE_WEBHOOK_SECRET',
      'MILLRACE_API_TOKENS',
      'MILLRACE_API_METRICS_TOKENS',
    ]);
    fc.assert(
      fc.property(fc.subarray(SECRETS), fc.stringMatching(/^[A-Za-z0-9/+]{16,40}$/), (names, secret) => {
        const env = { ...Object.fromEntries(wrongOnes), ...Object.fromEntries(names.map((name) => [name, secret])) };
        const error = refused(() => readConfig(env));
        expect(`${error.message} ${error.fix} ${JSON.stringify(error.context)}`).not.toContain(secret);
      }),
    );
  });
});

describe('requireVariables', () => {
  it('names everything that has no value, and what it is for', () => {
    const config = readConfig({ RUNPOD_ENDPOINT: 'abc' });
    const lines = linesOf(refused(() => requireVariables(config, ['RUNPOD_ENDPOINT', 'RUNPOD_API_KEY', 'MILLRACE_QUEUE_URL'])));
    expect(lines).toEqual([
      `  RUNPOD_API_KEY: expected a value, found nothing. ${VARIABLES.RUNPOD_API_KEY.about}`,
      `  MILLRACE_QUEUE_URL: expected a value, found nothing. ${VARIABLES.MILLRACE_QUEUE_URL.about}`,
    ]);
  });

  it('gives back what has values', () => {
    const config = readConfig({ RUNPOD_ENDPOINT: 'abc' });
    expect(requireVariables(config, ['RUNPOD_ENDPOINT']).RUNPOD_ENDPOINT).toBe('abc');
  });
});

it('exits with the number that sysexits.h has for a wrong configuration', () => {
  expect(EXIT_CONFIG).toBe(78);
});

it.each(Object.entries<{ about: string; group: string; default?: string }>(VARIABLES))(
  '%s is explained, for the table in the README',
  (_name, { about }) => {
    expect(about).toMatch(/^\S.*[.?]$|^\S.*\.( .*)?$/);
    expect(about).not.toMatch(/[\n|]/);
  },
);
