/** Presigned URLs: what a worker without credentials reads and writes with. */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { MillraceError } from '../errors.ts';
import type { PresignedPut } from './object-store.ts';
import { keyFault } from './uri.ts';

/** Signature version 4's own limit. */
export const MAX_PRESIGN_SECONDS = 7 * 24 * 3600;

/** A session too short is asked to renew itself at most this often: renewing can be a call to the vendor's token service. */
const RENEW_PAUSE_MS = 60_000;

export interface Presigner {
  get(key: string, expiresInSeconds: number): Promise<string>;
  put(key: string, expiresInSeconds: number, metadata: Readonly<Record<string, string>>): Promise<PresignedPut>;
}

export interface PresignerOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly now: () => number;
}

export function createPresigner({ client, bucket, now }: PresignerOptions): Presigner {
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  /** A URL dies with the session that signed it, whatever it says of its own expiry. */
  async function checkSession(expiresInSeconds: number): Promise<void> {
    const neededMs = now() + expiresInSeconds * 1000;
    const expiryMs = async (renew: boolean) => {
      const { expiration } = await client.config.credentials(renew ? { forceRefresh: true } : {});
      return expiration === undefined ? Number.POSITIVE_INFINITY : expiration.getTime();
    };
    let expiresAtMs = await expiryMs(false);
    if (expiresAtMs < neededMs && now() - renewedAtMs >= RENEW_PAUSE_MS) {
      renewedAtMs = now();
      expiresAtMs = await expiryMs(true);
    }
    if (expiresAtMs >= neededMs) return;
    const leftSeconds = Math.max(0, Math.floor((expiresAtMs - now()) / 1000));
    throw new MillraceError('PRESIGN_IMPOSSIBLE', `the credentials end in ${leftSeconds} s, before the URL would`, {
      context: { bucket, expiresInSeconds, leftSeconds },
      fix: "Use credentials without a session, lengthen the role's session, or shorten the stage's ttl_sec.",
    });
  }

  async function check(key: string, expiresInSeconds: number): Promise<void> {
    const fault = keyFault(key);
    if (fault !== undefined) throw new MillraceError('URI_INVALID', `cannot presign ${JSON.stringify(key)}: found ${fault}`);
    if (!Number.isInteger(expiresInSeconds) || expiresInSeconds < 1 || expiresInSeconds > MAX_PRESIGN_SECONDS) {
      const message = `a URL can be valid for 1 to ${MAX_PRESIGN_SECONDS} whole seconds, not ${expiresInSeconds}`;
      const fix = "Shorten the stage's ttl_sec.";
      throw new MillraceError('PRESIGN_IMPOSSIBLE', message, { context: { bucket, key, expiresInSeconds }, fix });
    }
    await checkSession(expiresInSeconds);
  }

  return {
    async get(key, expiresInSeconds) {
      await check(key, expiresInSeconds);
      return getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: expiresInSeconds });
    },
    async put(key, expiresInSeconds, metadata) {
      await check(key, expiresInSeconds);
      const headers = Object.fromEntries(
        Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name.toLowerCase()}`, value]),
      );
      // Left alone the presigner moves these into the query, where S3 reads them but other stores do not.
      const unhoistableHeaders = new Set(Object.keys(headers));
      const command = new PutObjectCommand({ Bucket: bucket, Key: key, Metadata: metadata });
      const url = await getSignedUrl(client, command, { expiresIn: expiresInSeconds, unhoistableHeaders });
      return { url, headers };
    },
  };
}
