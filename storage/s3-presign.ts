/** Presigned URLs: what a worker without credentials reads and writes with. */
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl, S3RequestPresigner } from '@aws-sdk/s3-request-presigner';
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

  const sample = { Bucket: bucket, Key: SAMPLE_KEY };
  const signGet = createSigner(client, () => getSignedUrl(client, new GetObjectCommand(sample)));
  const signPut = createSigner(client, () => getSignedUrl(client, new PutObjectCommand(sample)));

  return {
    async get(key, expiresInSeconds) {
      await check(key, expiresInSeconds);
      return signGet('GET', key, {}, expiresInSeconds);
    },
    async put(key, expiresInSeconds, metadata) {
      await check(key, expiresInSeconds);
      const headers = Object.fromEntries(
        Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name.toLowerCase()}`, value]),
      );
      return { url: await signPut('PUT', key, headers, expiresInSeconds), headers };
    },
  };
}

type Sign = (
  method: 'GET' | 'PUT',
  key: string,
  headers: Readonly<Record<string, string>>,
  expiresInSeconds: number,
) => Promise<string>;

const SAMPLE_KEY = 'sample';

/** What the SDK says of one key holds for all: its whole way from a command to a URL takes several times as long as a signature. */
function createSigner(client: S3Client, signSample: () => Promise<string>): Sign {
  let learned: Promise<Learned> | undefined;
  return async (method, key, headers, expiresIn) => {
    learned ??= signSample().then((url) => learnFrom(client, url));
    learned.catch(() => {
      learned = undefined;
    });
    const { url, query, presigner } = await learned;
    const { protocol, hostname, port } = url;
    const host = { protocol, hostname, ...(port === '' ? {} : { port: Number(port) }) };
    const path = url.pathname.slice(0, -SAMPLE_KEY.length) + key.split('/').map(escaped).join('/');
    const request = { ...host, method, path, query: { ...query }, headers: { ...headers } };
    // Left alone the presigner moves headers into the query, where S3 reads them but other stores do not.
    const signed = await presigner.presign(request, { expiresIn, unhoistableHeaders: new Set(Object.keys(headers)) });
    const parameters = Object.entries(signed.query ?? {}).map(([name, value]) => `${escaped(name)}=${escaped(String(value))}`);
    return `${url.origin}${path}?${parameters.sort().join('&')}`;
  };
}

interface Learned {
  readonly url: URL;
  /** What the SDK asks for beside the signature. */
  readonly query: Readonly<Record<string, string>>;
  readonly presigner: S3RequestPresigner;
}

function learnFrom(client: S3Client, sample: string): Learned {
  const url = new URL(sample);
  const [, , region = '', service = ''] = (url.searchParams.get('X-Amz-Credential') ?? '').split('/');
  const presigner = new S3RequestPresigner({ ...client.config, signingName: service, region: async () => region });
  const query = Object.fromEntries([...url.searchParams].filter(([name]) => !SIGNATURE_PARAMETER.test(name)));
  return { url, query, presigner };
}

/** Those that a presigner writes itself. */
const SIGNATURE_PARAMETER = /^X-Amz-(Algorithm|Content-Sha256|Credential|Date|Expires|Security-Token|Signature|SignedHeaders)$/;

/** By RFC 3986, as signatures want it: more than `encodeURIComponent` leaves alone is escaped. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
