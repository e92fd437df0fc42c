/** One S3 server that the suite is run against, and how a check says what it expects. */
import { CreateBucketCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type CheckId, DIFFERENCES, type PeerName } from './differences.ts';

export interface RunningPeer {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly stop: () => Promise<void>;
}

export interface Peer {
  readonly name: PeerName;
  /** Null where the peer is not installed: everything is skipped then. */
  readonly start: () => Promise<RunningPeer | null>;
  /** False where buckets are made by other means than the API: the bucket `BUCKET` is there then. */
  readonly createsBuckets: boolean;
}

export const BUCKET = 'conformance';
export const REGION = 'us-east-1';

export interface Suite {
  /** A client that sends checksums only where S3 demands them, as the rest of this project does. */
  readonly s3: () => S3Client;
  readonly client: (config: S3ClientConfig) => S3Client;
  readonly peer: () => RunningPeer;
  /** `id` is what `DIFFERENCES` knows a check by. A check uses keys of its own: they start with its id. */
  readonly check: (id: CheckId, sentence: string, run: () => Promise<void>) => void;
}

export function defineSuite(peer: Peer, parts: readonly ((suite: Suite) => void)[]): void {
  describe(`${peer.name}`, async () => {
    // Started here and not in a hook, because whether it is installed decides which tests there are.
    const running = await peer.start();
    if (running === null) {
      test.skip(`${peer.name} is not installed`, () => undefined);
      return;
    }
    const clients: S3Client[] = [];
    const client = (config: S3ClientConfig): S3Client => {
      const made = new S3Client({
        endpoint: running.endpoint,
        region: REGION,
        forcePathStyle: true,
        credentials: running.credentials,
        // Refusals are asserted on: none may be tried again.
        maxAttempts: 1,
        ...config,
      });
      clients.push(made);
      return made;
    };
    let shared: S3Client | undefined;
    const s3 = (): S3Client => {
      shared ??= client({ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' });
      return shared;
    };
    const check: Suite['check'] = (id, sentence, run) => {
      const difference = DIFFERENCES[peer.name][id];
      if (difference === undefined) test(sentence, run);
      // Fails once the peer behaves: then its line in the table must go.
      else if (difference.how === 'differs') test.fails(`${sentence} [${peer.name} differs: ${difference.what}]`, run);
      else test.skip(`${sentence} [not for ${peer.name}: ${difference.what}]`, run);
    };
    beforeAll(async () => {
      if (!peer.createsBuckets) return;
      await s3().send(new CreateBucketCommand({ Bucket: BUCKET }));
    });
    afterAll(async () => {
      for (const made of clients) made.destroy();
      await running.stop();
    });
    for (const part of parts) part({ s3, client, peer: () => running, check });
  });
}
