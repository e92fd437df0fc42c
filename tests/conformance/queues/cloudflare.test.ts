import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCloudflareQueue } from '../../../local/cloudflare-queue/cloudflare-queue.ts';
import { silentLogger } from '../../../log.ts';
import { createCloudflarePeer, QUEUE_DEFINITIONS, TOKEN } from './cloudflare-peer.ts';
import { describeQueue } from './suite.ts';

describeQueue('Cloudflare Queues on the local queue', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-cloudflare-'));
  const start = (port: number) =>
    startCloudflareQueue({ dataDir, port, accountId: 'conformance', token: TOKEN, queues: QUEUE_DEFINITIONS, log: silentLogger });
  let server = await start(0);
  const { port } = server;
  return createCloudflarePeer(
    {
      urlOf: (name) => server.urlOf(name),
      send: (name, body) => server.send(name, body),
      goAway: () => server.close(),
      async comeBack() {
        server = await start(port);
      },
      async stop() {
        await server.close();
        await rm(dataDir, { recursive: true, force: true });
      },
    },
    { leaseSeconds: 3, storm: { jobs: 40, eventsPerJob: 25 }, minMaxReceives: 1 },
  );
});
