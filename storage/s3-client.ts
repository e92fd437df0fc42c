/** The AWS SDK's client, set up for other vendors' stores too, with every wait and every pool bounded. */
import { S3Client } from '@aws-sdk/client-s3';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3ClientSettings {
  /** AWS's own unless given. */
  readonly endpoint?: string;
  readonly region: string;
  readonly addressingStyle: 'virtual' | 'path';
  /** The SDK's default chain unless given. */
  readonly credentials?: S3Credentials;
  /**
   * How long an answer may take, and how long a transfer may stand still. A body that its reader leaves alone for longer than
   * this fails too.
   */
  readonly requestTimeoutMs?: number;
  /** Tries of one request, the first included; the SDK waits between them, longer each time, with jitter. */
  readonly maxAttempts?: number;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
const DEFAULT_MAX_ATTEMPTS = 4;
const MAX_SOCKETS = 64;

/** The SDK would else write its own lines to the console. What matters is in the errors. */
const silent = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet };
function quiet(): void {}

export function createS3Client(options: S3ClientSettings): S3Client {
  const requestTimeout = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
  return new S3Client({
    region: options.region,
    forcePathStyle: options.addressingStyle === 'path',
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    // Else R2 and Google refuse requests, and presigned PUTs carry the checksum of an empty body.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: silent,
    retryMode: 'standard',
    maxAttempts: options.maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    // A request that waits for 100 Continue gets an agent of its own from the SDK, past the bound on sockets.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, requestTimeout),
      requestTimeout,
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeout,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
