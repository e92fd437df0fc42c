/** Google's Pub/Sub emulator, started as `millrace dev` starts it. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { MillraceError } from '../../errors.ts';
import { type PubsubEmulator, startPubsubEmulator } from '../../local/pubsub/emulator.ts';
import { silentLogger } from '../../log.ts';
import { recordPeer, recordPeerMissing } from './peers.ts';

/** Between choosing a free port and binding it somebody else may take it. */
const START_ATTEMPTS = 3;

/** Starts a fresh, empty emulator; null, with one loud line on stderr, where it is not installed. */
export async function startPubsubPeer(): Promise<PubsubEmulator | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const emulator = await startPubsubEmulator({ port: await freePort(), log: silentLogger });
      recordPeer('pubsub-emulator', emulator.version);
      return emulator;
    } catch (thrown) {
      if (thrown instanceof MillraceError && thrown.code === 'EMULATOR_MISSING') {
        recordPeerMissing(
          'pubsub-emulator',
          'is not installed (gcloud components install pubsub-emulator): its checks are skipped',
        );
        return null;
      }
      // Installed but broken is a failure to look at, not an absence to skip over.
      if (attempt === START_ATTEMPTS) throw thrown;
    }
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
