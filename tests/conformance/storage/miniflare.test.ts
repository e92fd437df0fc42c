import { startMiniflareR2 } from '../../peers/miniflare.ts';
import { describeS3Store } from './object-store-suite.ts';

const start = async () => {
  const { endpoint, bucket, credentials, stop } = await startMiniflareR2('videos');
  return { options: { bucket, endpoint, credentials }, stop };
};

describeS3Store("miniflare's R2", start, { checksSignatures: true, largeBytes: 40 * 1024 * 1024, takesOddKeys: true });
