/** A server that speaks SQS, as the suite sees it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { startQueue } from '../../../local/queue/queue.ts';
import { silentLogger } from '../../../log.ts';
import { startMoto } from '../../peers/moto.ts';

export type PeerName = 'ours' | 'moto';

export interface SqsPeer {
  readonly client: SQSClient;
  stop(): Promise<void>;
}

const REGION = 'us-east-1';
const CREDENTIALS = { accessKeyId: 'conformance', secretAccessKey: 'conformance-secret' };

/** Null where the peer is not installed. */
export const startPeer: Readonly<Record<PeerName, () => Promise<SqsPeer | null>>> = {
  ours: async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'millrace-sqs-'));
    const queue = await startQueue({ dataDir, port: 0, region: REGION, ...CREDENTIALS, log: silentLogger });
    return peer(queue.endpoint, async () => {
      await queue.close();
      rmSync(dataDir, { recursive: true });
    });
  },
  moto: async () => {
    const moto = await startMoto();
    return moto === null ? null : peer(moto.endpoint, moto.stop);
  },
};

function peer(endpoint: string, stop: () => Promise<void>): SqsPeer {
  const client = new SQSClient({ endpoint, region: REGION, credentials: CREDENTIALS, maxAttempts: 1 });
  return {
    client,
    stop: async () => {
      client.destroy();
      await stop();
    },
  };
}
