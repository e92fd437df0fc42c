/** What the consumer of every queue promises. */
import { afterAll, beforeAll, describe, type TestContext, test } from 'vitest';
import { describePromises, survivesAnOutage } from './promises.ts';
import type { QueuePeer } from './queue-peer.ts';
import { runStorm } from './storm.ts';

/** A busy machine; the parts of a storm have bounds of their own. */
const OUTAGE_TIMEOUT_MS = 600_000;

/** Any will do; TEST_STORM_SEED repeats one that failed. */
const SEED = Number(process.env.TEST_STORM_SEED ?? 20_261_125);

/** `start` is called several times: a peer that goes away is nobody else's. */
export function describeQueue(name: string, start: () => Promise<QueuePeer>): void {
  describe(`the consumer of ${name}`, () => {
    async function ownPeer(onTestFinished: TestContext['onTestFinished']): Promise<QueuePeer> {
      const peer = await start();
      onTestFinished(() => peer.stop());
      return peer;
    }

    /** Beside each other: most of their time is waiting. */
    describe.concurrent('whose server goes away', () => {
      test(
        'a storm ends with every job complete, the queue empty, and nothing but unreadable messages dead-lettered',
        async ({ onTestFinished }) => runStorm(await ownPeer(onTestFinished), SEED),
        OUTAGE_TIMEOUT_MS,
      );

      test(
        'polls back off and work whose lease is lost is stopped; then everything goes on',
        async (context) => survivesAnOutage(await ownPeer(context.onTestFinished), context),
        OUTAGE_TIMEOUT_MS,
      );
    });

    describe('keeps its promises', () => {
      let peer: QueuePeer;
      beforeAll(async () => {
        peer = await start();
      });
      afterAll(async () => peer?.stop());

      // Not beside the storm: a server in this process has too much to do then to keep a lease of seconds.
      describe.concurrent('beside each other', () => describePromises(() => peer));
    });
  });
}
