import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBucket } from '../../../local/bucket/bucket.ts';
import { silentLogger } from '../../../log.ts';
import { describeS3Store } from './object-store-suite.ts';

const credentials = { accessKeyId: 'local', secretAccessKey: 'local-secret' };

const start = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bucket-'));
  const region = 'us-east-1';
  const bucket = await startBucket({ dataDir, port: 0, region, buckets: ['videos'], log: silentLogger, ...credentials });
  const stop = async () => {
    await bucket.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { options: { bucket: 'videos', endpoint: bucket.endpoint, credentials }, stop };
};

describeS3Store('the local bucket', start, { checksSignatures: true, largeBytes: 40 * 1024 * 1024, takesOddKeys: true });
