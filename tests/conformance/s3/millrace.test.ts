import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBucket } from '../../../local/bucket/bucket.ts';
import { silentLogger } from '../../../log.ts';
import { REGION } from './peer.ts';
import { s3Suite } from './suite.ts';

s3Suite({
  name: 'millrace',
  createsBuckets: true,
  start: async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
    const credentials = { accessKeyId: 'millrace-access', secretAccessKey: 'millrace-secret' };
    const bucket = await startBucket({ dataDir, port: 0, region: REGION, log: silentLogger, ...credentials });
    const stop = async () => {
      await bucket.close();
      await rm(dataDir, { recursive: true });
    };
    return { endpoint: bucket.endpoint, credentials, stop };
  },
});
