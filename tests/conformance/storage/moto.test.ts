import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { describe, test } from 'vitest';
import { startMoto } from '../../peers/moto.ts';
import { describeS3Store } from './object-store-suite.ts';

const moto = await startMoto();

if (moto === null) {
  describe.skip('object store on moto', () => {
    test('needs moto_server', () => undefined);
  });
} else {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const start = async () => {
    const client = new S3Client({ endpoint: moto.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: 'videos' }));
    client.destroy();
    return { options: { bucket: 'videos', endpoint: moto.endpoint, credentials }, stop: moto.stop };
  };
  describeS3Store('moto', start, { checksSignatures: false, largeBytes: 40 * 1024 * 1024, takesOddKeys: true });
}
