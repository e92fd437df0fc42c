import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { VARIABLES } from '../../../config.ts';

/** CreateEndpointRequest of RunPod's REST API 2.0.0 (api.runpod.io/v2/openapi.json), as far as it is used: it takes no other field. */
const Endpoint = z.strictObject({
  name: z.string().min(1),
  type: z.literal('QUEUE'),
  image: z.string(),
  disk: z.int().min(1),
  env: z.record(z.string(), z.string()),
  gpu: z.strictObject({ pools: z.array(z.string()).min(1), count: z.int().min(1) }),
  workers: z.strictObject({ min: z.int().min(0), max: z.int().min(0), idleTimeout: z.int().min(1).max(3600) }),
  scaling: z.strictObject({ type: z.literal('QUEUE_DELAY'), queueDelay: z.number().min(0.5) }),
  timeout: z.int(),
  flashboot: z.enum(['OFF', 'FLASHBOOT', 'PRIORITY_FLASHBOOT']),
});
const Hub = z.object({
  config: z.object({
    containerDiskInGb: z.number(),
    gpuCount: z.number(),
    gpuIds: z.string(),
    env: z.array(z.object({ key: z.string(), input: z.object({ default: z.union([z.string(), z.number(), z.boolean()]) }) })),
  }),
});
const Pipeline = z.object({ stages: z.record(z.string(), z.object({ execution_timeout_sec: z.number().default(0) })) });
/** RunPod's pools whose every GPU has NVENC. */
const NVENC_POOLS = ['AMPERE_16', 'AMPERE_24', 'AMPERE_48', 'ADA_24', 'ADA_32_PRO', 'ADA_48_PRO'];

const text = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const endpoint = Endpoint.parse(JSON.parse(text('infra/runpod/endpoint.json')));
const { config: hub } = Hub.parse(JSON.parse(text('.runpod/hub.json')));

describe("RunPod's endpoint", () => {
  it("has the disk, the GPUs and the settings of the Hub's listing", () => {
    expect(endpoint).toMatchObject({
      disk: hub.containerDiskInGb,
      gpu: { pools: hub.gpuIds.split(','), count: hub.gpuCount },
      env: Object.fromEntries(hub.env.map(({ key, input }) => [key, String(input.default)])),
    });
  });

  it('sets nothing that a worker does not read', () => {
    const { NVIDIA_DRIVER_CAPABILITIES, ...ours } = endpoint.env;
    expect(NVIDIA_DRIVER_CAPABILITIES?.split(',')).toContain('video');
    for (const name of Object.keys(ours)) expect(VARIABLES).toHaveProperty(name);
  });

  it('names no pool of GPUs without NVENC', () => {
    expect(NVENC_POOLS).toEqual(expect.arrayContaining(endpoint.gpu.pools));
  });

  it('lets a request that brings no limit run as long as the longest stage of the built-in pipeline', () => {
    const { stages } = Pipeline.parse(JSON.parse(text('manifests/built-in.pipeline.json')));
    const seconds = Object.values(stages).map(({ execution_timeout_sec }) => execution_timeout_sec);
    expect(endpoint.timeout).toBe(Math.max(...seconds) * 1000);
  });

  it('has a placeholder for the image, which no registry can have', () => {
    expect(endpoint.image).toBe('REGISTRY/millrace-worker:TAG');
  });

  it('has a README that names no variable that the environment does not know', () => {
    const names = new Set(text('infra/runpod/README.md').match(/\b(?:MILLRACE|RUNPOD)_[A-Z][A-Z_]*\b/g));
    expect(names).toContain('RUNPOD_ENDPOINT');
    expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining([...names]));
  });
});
