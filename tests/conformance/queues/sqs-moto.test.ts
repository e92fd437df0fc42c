import { afterAll, describe, test } from 'vitest';
import { lineTo } from '../../integration/consumers/outage.ts';
import { startMoto } from '../../peers/moto.ts';
import { createSqsPeer } from './sqs-peer.ts';
import { describeQueue } from './suite.ts';

const moto = await startMoto();

if (moto === null) {
  describe.skip('SQS on moto', () => {
    test('needs moto_server', () => undefined);
  });
} else {
  afterAll(() => moto.stop());
  describeQueue('SQS on moto', async () => {
    const line = await lineTo(moto.endpoint);
    const server = {
      endpoint: line.endpoint,
      directEndpoint: moto.endpoint,
      goAway: async () => line.cut(),
      comeBack: async () => line.mend(),
      stop: async () => line.close(),
    };
    // moto gets slower with every message that it has ever held.
    return createSqsPeer(server, { leaseSeconds: 3, storm: { jobs: 10, eventsPerJob: 14 }, minMaxReceives: 1 });
  });
}
