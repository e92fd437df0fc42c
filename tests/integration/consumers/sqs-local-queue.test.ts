import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startQueue } from '../../../local/queue/queue.ts';
import { silentLogger } from '../../../log.ts';
import { describeSqsConsumer } from './sqs-suite.ts';

describeSqsConsumer('the local queue', async () => {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local-secret' };
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-queue-'));
  const queue = await startQueue({ dataDir, port: 0, region: 'us-east-1', log: silentLogger, ...credentials });
  const stop = async () => {
    await queue.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { endpoint: queue.endpoint, credentials, stop };
});
