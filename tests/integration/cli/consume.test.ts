import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { millrace } from './millrace.ts';

describe.each(['sqs', 'cloudflare'] as const)('consume, where a queue on %s does not exist', (queue) => {
  let directory: string;
  let stack: TestStack;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-consume-'));
    stack = await startTestStack({ queue, workers: 0, consume: false });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(['MILLRACE_QUEUE_URL', 'MILLRACE_DEAD_LETTER_QUEUE_URL'])('says so and ends: %s', async (variable) => {
    const url = `${stack.environment[variable]}0`;
    const { code, stderr } = await millrace(['consume'], { cwd: directory, env: { ...stack.environment, [variable]: url } });
    expect(code).toBe(78);
    expect(stderr).toContain(`${variable}: there is no such queue: ${url}`);
  });
});
