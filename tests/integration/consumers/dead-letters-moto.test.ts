import { describe, test } from 'vitest';
import { startMoto } from '../../peers/moto.ts';
import { freshQueues, type SqsLetterPeer } from './dead-letters-sqs.ts';
import { describeDeadLetters } from './dead-letters-suite.ts';

const moto = await startMoto();

if (moto === null) {
  describe.skip('dead letters on moto', () => {
    test('needs moto_server', () => undefined);
  });
} else {
  const { endpoint, stop } = moto;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  describeDeadLetters('moto', async () => {
    const peers: SqsLetterPeer[] = [];
    return {
      async fresh() {
        const peer = await freshQueues({ endpoint, credentials });
        peers.push(peer);
        return peer;
      },
      async stop() {
        for (const { client } of peers) client.destroy();
        await stop();
      },
    };
  });
}
