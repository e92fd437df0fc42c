/** Signed URLs of Google's XML API (V4): what a worker without credentials reads and writes with. */
import type { GetSignedUrlConfig } from '@google-cloud/storage';
import { MillraceError } from '../errors.ts';
import type { GcsClient } from './gcs-client.ts';
import { credentialsError } from './gcs-errors.ts';
import { lowerCased } from './gcs-object.ts';
import type { PresignedPut } from './object-store.ts';
import { MAX_PRESIGN_SECONDS } from './s3-presign.ts';
import { keyFault } from './uri.ts';

/** Google changes the keys that IAM signs with, and promises no more than this. */
const MAX_IAM_SIGNED_SECONDS = 12 * 3600;

export interface GcsPresigner {
  get(key: string, expiresInSeconds: number): Promise<string>;
  put(key: string, expiresInSeconds: number, metadata: Readonly<Record<string, string>>): Promise<PresignedPut>;
}

type Signature = Pick<GetSignedUrlConfig, 'action'> & { readonly extensionHeaders?: Record<string, string> };

export function createGcsPresigner(client: GcsClient, bucket: string): GcsPresigner {
  let signer: Promise<{ readonly hasKey: boolean }> | undefined;

  async function askSigner(): Promise<{ readonly hasKey: boolean }> {
    const { authClient } = await client.library();
    const { client_email: email, private_key: key } = await client.inTime(authClient.getCredentials());
    if (email !== undefined) return { hasKey: key !== undefined };
    throw new MillraceError('PRESIGN_IMPOSSIBLE', 'the credentials are those of no service account, so they cannot sign URLs', {
      context: { bucket },
      fix:
        'Give the key file of a service account in GOOGLE_APPLICATION_CREDENTIALS, or run as a service account that may sign for itself ' +
        '(roles/iam.serviceAccountTokenCreator).',
    });
  }

  async function check(key: string, expiresInSeconds: number): Promise<{ readonly hasKey: boolean }> {
    const fault = keyFault(key);
    if (fault !== undefined) throw new MillraceError('URI_INVALID', `cannot presign ${JSON.stringify(key)}: found ${fault}`);
    signer ??= askSigner();
    let found: { readonly hasKey: boolean };
    try {
      found = await signer;
    } catch (thrown) {
      signer = undefined;
      throw credentialsError(thrown);
    }
    const maxSeconds = found.hasKey ? MAX_PRESIGN_SECONDS : MAX_IAM_SIGNED_SECONDS;
    if (Number.isInteger(expiresInSeconds) && expiresInSeconds >= 1 && expiresInSeconds <= maxSeconds) return found;
    const by = found.hasKey ? '' : ', because IAM signs it with keys that Google changes';
    const message = `a URL can be valid for 1 to ${maxSeconds} whole seconds, not ${expiresInSeconds}${by}`;
    const fix = found.hasKey
      ? "Shorten the stage's ttl_sec."
      : "Shorten the stage's ttl_sec, set MILLRACE_MAX_TTL_SECONDS to 43200, or give the key file of a service account.";
    throw new MillraceError('PRESIGN_IMPOSSIBLE', message, { context: { bucket, key, expiresInSeconds }, fix });
  }

  async function sign(key: string, expiresInSeconds: number, signature: Signature): Promise<string> {
    const { hasKey } = await check(key, expiresInSeconds);
    const accessibleAt = Date.now();
    const expires = accessibleAt + expiresInSeconds * 1000;
    const file = (await client.library()).bucket(bucket).file(key);
    try {
      const [url] = await client.inTime(file.getSignedUrl({ ...signature, version: 'v4', accessibleAt, expires }));
      return url;
    } catch {
      // The library's error may hold the request to IAM, token and all.
      throw new MillraceError('PRESIGN_IMPOSSIBLE', 'a URL could not be signed', {
        context: { bucket, key },
        // IAM may only have been away; a key that cannot sign now never will.
        retryable: !hasKey,
        fix: hasKey
          ? "Check the service account's private_key: it is no key that can sign."
          : 'Let the service account sign for itself (roles/iam.serviceAccountTokenCreator), with the IAM Credentials API switched on.',
      });
    }
  }

  return {
    get(key, expiresInSeconds) {
      return sign(key, expiresInSeconds, { action: 'read' });
    },
    async put(key, expiresInSeconds, metadata) {
      const headers = Object.fromEntries(
        Object.entries(lowerCased(metadata)).map(([name, value]) => [`x-goog-meta-${name}`, value]),
      );
      const url = await sign(key, expiresInSeconds, { action: 'write', extensionHeaders: { ...headers } });
      return { url, headers };
    },
  };
}
