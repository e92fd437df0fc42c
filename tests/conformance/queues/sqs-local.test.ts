import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startQueue } from '../../../local/queue/queue.ts';
import { silentLogger } from '../../../log.ts';
import { CREDENTIALS, createSqsPeer, REGION } from './sqs-peer.ts';
import { describeQueue } from './suite.ts';

describeQueue('SQS on the embedded queue', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-sqs-'));
  const start = (port: number) => startQueue({ dataDir, port, region: REGION, ...CREDENTIALS, log: silentLogger });
  let queue = await start(0);
  const { endpoint, port } = queue;
  const server = {
    endpoint,
    directEndpoint: endpoint,
    goAway: () => queue.close(),
    async comeBack() {
      queue = await start(port);
    },
    async stop() {
      await queue.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return createSqsPeer(server, { leaseSeconds: 3, storm: { jobs: 40, eventsPerJob: 25 }, minMaxReceives: 1 });
});
