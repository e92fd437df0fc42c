/** The local bucket with Google's API, in a folder of its own. */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBucket } from '../../../local/bucket/bucket.ts';
import type { Deliver } from '../../../local/bucket/outbox.ts';
import { silentLogger } from '../../../log.ts';
import { createGcsStore, type GcsStore, type GcsStoreOptions } from '../../../storage/gcs-store.ts';

export const S3_KEYS = { accessKeyId: 'local', secretAccessKey: 'local-secret' };

export interface GcsServer {
  readonly endpoint: string;
  readonly serviceAccountFile: string;
  readonly credentials: { readonly client_email: string; readonly private_key: string };
  idle(): Promise<void>;
  open(options?: Partial<GcsStoreOptions>): GcsStore;
  stop(): Promise<void>;
}

export async function startGcsServer(
  options: { readonly deliver?: Deliver; readonly now?: () => number } = {},
): Promise<GcsServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-gcs-'));
  const serviceAccountFile = join(dataDir, 'keys', 'service-account.json');
  const bucket = await startBucket({
    ...{ dataDir, port: 0, region: 'us-east-1', buckets: ['videos'], log: silentLogger, serviceAccountFile },
    ...S3_KEYS,
    ...options,
  });
  const { client_email, private_key } = JSON.parse(readFileSync(serviceAccountFile, 'utf8'));
  const credentials = { client_email, private_key };
  const apiEndpoint = bucket.endpoint;
  return {
    endpoint: apiEndpoint,
    serviceAccountFile,
    credentials,
    idle: () => bucket.idle(),
    open: (more = {}) => createGcsStore({ bucket: 'videos', apiEndpoint, credentials, ...more }),
    stop: async () => {
      await bucket.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Another key in the account's name. */
export function strangeCredentials({ credentials }: Pick<GcsServer, 'credentials'>) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...credentials, private_key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}
