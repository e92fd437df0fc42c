/**
 * A consumer in a process of its own that counts what it costs. Its settings come in its environment; told to stop, it prints one line of
 * JSON: the most memory it ever had, its processor time, and the requests that it made.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { startConsumer } from '../../../cli/consumer-process.ts';
import { readConfig } from '../../../config.ts';
import { createLogger } from '../../../log.ts';

const requests: Record<string, number> = {};
const count = (name: string) => {
  requests[name] = (requests[name] ?? 0) + 1;
};

/** S3 and SQS; RunPod is called with fetch. */
subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest };
  const url = new URL(request.path, 'http://127.0.0.1');
  const [, bucket = '', prefix = '', kind = ''] = url.pathname.split('/');
  if (bucket !== 'videos') count('queue');
  else if (url.searchParams.has('list-type')) count(`LIST ${kindOf(url.searchParams.get('prefix') ?? '')}`);
  else count(`${request.method} ${prefix === 'pipelines-state' ? kind : 'jobs'}`);
});
subscribe('undici:request:create', () => count('RunPod'));

function kindOf(prefix: string): string {
  const [root, kind = '', last = ''] = prefix.split('/');
  return root === 'pipelines-state' ? kind : last === 'results' ? 'results' : 'jobs';
}

const consumer = await startConsumer(readConfig(process.env), createLogger({ level: 'info', name: 'consumer' }), {
  waitTimeSeconds: 1,
});
process.once('SIGTERM', async () => {
  await consumer.stop();
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stdout.write(
    `${JSON.stringify({ peakBytes: maxRSS * 1024, processorSeconds: (userCPUTime + systemCPUTime) / 1e6, requests })}\n`,
  );
});
process.stderr.write('ready\n');
