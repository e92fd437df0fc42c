import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { VARIABLES } from '../../../config.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

/** As much of the Compose specification as is used here, and no other key: a misspelt one would be ignored, or refused. */
const Service = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), target: z.string() }),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  env_file: z.string(),
  restart: z.literal('unless-stopped'),
  read_only: z.literal(true),
  tmpfs: z.string(),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  init: z.literal(false),
  logging: z.strictObject({ driver: z.literal('json-file'), options: z.record(z.string(), z.string()) }),
  expose: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.strictObject({
    test: z.tuple([z.literal('CMD'), z.literal('node'), z.literal('-e'), z.string()]),
    interval: z.string(),
    timeout: z.string(),
    retries: z.int().min(1),
    start_period: z.string(),
  }),
});
const Compose = z.strictObject({
  name: z.literal('millrace'),
  'x-millrace': z.unknown(),
  services: z.strictObject({ consumer: Service, api: Service }),
});
const Overlay = z.strictObject({ environment: z.record(z.string(), z.string()), secrets: z.tuple([z.literal('google-key')]) });
const Google = z.strictObject({
  'x-google': z.unknown(),
  services: z.strictObject({ consumer: Overlay, api: Overlay }),
  secrets: z.strictObject({ 'google-key': z.strictObject({ file: z.string() }) }),
});

/** Compose reads merge keys (`<<`), as YAML 1.1 has them. */
const { services } = Compose.parse(parse(read('infra/compose/compose.yaml'), { merge: true }));
const google = Google.parse(parse(read('infra/compose/compose.google.yaml'), { merge: true }));
const example = [...read('infra/compose/millrace.env.example').matchAll(/^([A-Z][A-Z0-9_]*)=/gm)].map(([, name = '']) => name);

const KNOWN = Object.keys(VARIABLES);

describe('the compose file', () => {
  it('sets no variable that Millrace does not read', () => {
    const all = [services.consumer, services.api, google.services.consumer, google.services.api];
    const names = all.flatMap(({ environment }) => Object.keys(environment));
    expect(names).toContain('MILLRACE_HEALTH_ADDRESS');
    expect(KNOWN).toEqual(expect.arrayContaining([...names, ...example]));
  });

  it('has an example of an environment that names what a consumer does not start without', () => {
    const needed = ['VIDEOS_BUCKET', 'S3_ENDPOINT_URL', 'MILLRACE_QUEUE_URL', 'RUNPOD_ENDPOINT', 'RUNPOD_API_KEY'];
    expect(example).toEqual(expect.arrayContaining(needed));
  });

  it('builds the target that the Dockerfile has for consumers', () => {
    expect(read('Dockerfile')).toMatch(new RegExp(`^FROM \\S+ AS ${services.consumer.build.target}$`, 'm'));
    expect(services.api.image).toBe(services.consumer.image);
  });

  it('asks each service for its health where that service serves it', () => {
    const portOf = (test: readonly string[]) => /127\.0\.0\.1:(\d+)\/healthz/.exec(test.at(-1) ?? '')?.[1];
    const consumerPort = services.consumer.environment.MILLRACE_HEALTH_ADDRESS?.split(':').at(-1);
    expect(portOf(services.consumer.healthcheck.test)).toBe(consumerPort);
    expect(services.consumer.expose).toEqual([consumerPort]);
    const { command, ports } = services.api;
    const apiPort = command[command.indexOf('--port') + 1];
    expect(portOf(services.api.healthcheck.test)).toBe(apiPort);
    expect(ports, 'for this machine alone').toEqual([`127.0.0.1:${apiPort}:${apiPort}`]);
  });

  it('has health checks that are programs', () => {
    for (const { healthcheck } of Object.values(services)) expect(() => new Function(healthcheck.test[3])).not.toThrow();
  });

  it('lets a consumer finish what it has received', () => {
    const graceMs = Number(/STOP_GRACE_MS = ([\d_]+)/.exec(read('cli/consumer-process.ts'))?.[1]?.replaceAll('_', ''));
    expect(Number.parseInt(services.consumer.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(graceMs);
  });

  it('has no secret in it, and keeps the files that have some out of the repository', () => {
    expect(services.api.environment.MILLRACE_API_TOKENS).toMatch(/^\$\{MILLRACE_API_TOKENS:\?/);
    const ignored = read('infra/compose/.gitignore').split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['*.env', '.env', '*.key.json']));
    expect(services.consumer.env_file).toMatch(/\.env$/);
    expect(google.secrets['google-key'].file).toMatch(/\.key\.json$/);
  });

  it('has a README that names no variable that Millrace does not read', () => {
    const names = new Set(read('infra/compose/README.md').match(/\b(?:MILLRACE|GOOGLE|RUNPOD)_[A-Z][A-Z_]*\b/g));
    expect(names).toContain('MILLRACE_API_TOKENS');
    expect(KNOWN).toEqual(expect.arrayContaining([...names]));
  });
});
