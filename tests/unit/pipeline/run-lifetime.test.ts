import { expect, test } from 'vitest';
import { ttlOf } from '../../../pipeline/payload.ts';
import { builtInGraph } from './job-builder.ts';

const [stage] = builtInGraph.stages;

test.each([
  { maxTtlSeconds: 604_800, ttl: 86_400 },
  { maxTtlSeconds: 3_600, ttl: 3_600 },
])('a stage that asks for a day gets $ttl s where the deployment allows $maxTtlSeconds s', ({ maxTtlSeconds, ttl }) => {
  expect(stage?.ttl_sec).toBe(86_400);
  expect(stage && ttlOf({ maxTtlSeconds }, stage)).toBe(ttl);
});
