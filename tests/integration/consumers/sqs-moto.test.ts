import { describe, test } from 'vitest';
import { startMoto } from '../../peers/moto.ts';
import { describeSqsConsumer } from './sqs-suite.ts';

const moto = await startMoto();

if (moto === null) {
  describe.skip('SQS consumer on moto', () => {
    test('needs moto_server', () => undefined);
  });
} else {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  describeSqsConsumer('moto', async () => ({ endpoint: moto.endpoint, credentials, stop: moto.stop }));
}
