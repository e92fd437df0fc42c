import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startQueue } from '../../../local/queue/queue.ts';
import { silentLogger } from '../../../log.ts';
import { freshQueues, type SqsLetterPeer } from './dead-letters-sqs.ts';
import { describeDeadLetters } from './dead-letters-suite.ts';

describeDeadLetters('the local queue', async () => {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local-secret' };
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-queue-'));
  const queue = await startQueue({ dataDir, port: 0, region: 'us-east-1', log: silentLogger, ...credentials });
  const peers: SqsLetterPeer[] = [];
  return {
    async fresh() {
      const peer = await freshQueues({ endpoint: queue.endpoint, credentials });
      peers.push(peer);
      return peer;
    },
    async stop() {
      for (const { client } of peers) client.destroy();
      await queue.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
});
