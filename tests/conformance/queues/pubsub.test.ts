import { describe, test } from 'vitest';
import { lineTo } from '../../integration/consumers/outage.ts';
import { startPubsubPeer } from '../../peers/pubsub-emulator.ts';
import { createPubsubPeer } from './pubsub-peer.ts';
import { describeQueue } from './suite.ts';

let spare = await startPubsubPeer();

if (spare === null) {
  describe.skip("Pub/Sub on Google's emulator", () => {
    test('needs the emulator', () => undefined);
  });
} else {
  describeQueue("Pub/Sub on Google's emulator", async () => {
    // One for each: with connections that are cut it is slow to hand out what others wait for.
    const emulator = spare ?? (await startPubsubPeer());
    spare = null;
    if (emulator === null) throw new Error('the emulator was there a moment ago');
    // It keeps everything in memory: it is the line to it that is cut.
    const line = await lineTo(`http://${emulator.host}`);
    const server = {
      host: new URL(line.endpoint).host,
      directHost: emulator.host,
      goAway: async () => line.cut(),
      comeBack: async () => line.mend(),
      async stop() {
        line.close();
        await emulator.stop();
      },
    };
    return createPubsubPeer(server, { leaseSeconds: 10, storm: { jobs: 40, eventsPerJob: 25 }, minMaxReceives: 5 });
  });
}
