/** What the consumer of every queue promises. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { describePromises } from './promises.ts';
import type { QueuePeer } from './queue-peer.ts';
import { runStorm } from './storm.ts';

/** A busy machine; the parts of a storm have bounds of their own. */
const STORM_TIMEOUT_MS = 240_000;

/** Any will do; MILLRACE_STORM_SEED repeats one that failed. */
const SEED = Number(process.env.MILLRACE_STORM_SEED ?? 20_261_125);

export function describeQueue(name: string, start: () => Promise<QueuePeer>): void {
  describe(`the consumer of ${name}`, () => {
    let peer: QueuePeer;
    beforeAll(async () => {
      peer = await start();
    });
    afterAll(async () => peer?.stop());

    test(
      'a storm ends with every job complete, the queue empty, and nothing but unreadable messages dead-lettered',
      () => runStorm(peer, SEED),
      STORM_TIMEOUT_MS,
    );

    describePromises(() => peer);
  });
}
