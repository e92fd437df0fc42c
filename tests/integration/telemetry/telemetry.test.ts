/** One job through the real stack, and what metrics, health, traces and costs say of it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { type OtlpReceiver, startOtlpReceiver } from './otlp-receiver.ts';

let receiver: OtlpReceiver;
let stack: TestStack;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  stack = await startTestStack({
    workers: 1,
    env: {
      MILLRACE_HEALTH_ADDRESS: '127.0.0.1:0',
      MILLRACE_GPU_PRICE_PER_SECOND: '0.5',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OTEL_BSP_SCHEDULE_DELAY: '100',
    },
  });
});
afterAll(async () => {
  await stack.stop();
  await receiver.close();
});

test('x', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-telemetry-'));
  const ffmpeg = ALL_TOOLS[0]?.ffmpeg ?? 'ffmpeg';
  const master = await readFile(await makeAudio(ffmpeg, directory, { name: 'master.wav', seconds: 3 }));
  await rm(directory, { recursive: true });
  await stack.put('job-1', 'inputs/audio/master.wav', master);
  await stack.put('job-1', 'segments.json', JSON.stringify([0, 1, 2].map((start) => ({ start_sec: start, duration_sec: 1 }))));
  await stack.untilDone('job-1');
  await new Promise((r) => setTimeout(r, 2000));
  const text = await (await fetch(`${stack.stack.healthUrl}/metrics`)).text();
  console.error(text.split('\n').filter((l) => l.startsWith('millrace') && !l.includes('bucket')).join('\n'));
  for (const p of ['healthz', 'readyz']) console.error(await (await fetch(`${stack.stack.healthUrl}/${p}`)).text());
  for (const s of receiver.spans) console.error(s.service, s.traceId.slice(0, 6), s.spanId.slice(0, 4), s.parentSpanId?.slice(0, 4), s.kind, s.name, JSON.stringify(s.attributes), s.links?.length);
  for (const k of await stack.keys('job-1')) if (k.startsWith('results/')) console.error(k, String(await stack.read('job-1', k)));
});
