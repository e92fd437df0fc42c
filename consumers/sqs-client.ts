/** An SQS client that fits long polling. */
import { SQSClient } from '@aws-sdk/client-sqs';

export interface SqsClientOptions {
  /** AWS's own unless given; then queue URLs only name the queue, whatever host they hold. */
  readonly endpoint?: string;
  readonly region: string;
  /** The SDK's default chain unless given. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  /** Tries of one request, the first included. */
  readonly maxAttempts?: number;
}

/** A long poll is answered after 20 seconds at the latest. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_SOCKETS = 64;
const DEFAULT_MAX_ATTEMPTS = 3;

export function createSqsClient({ endpoint, region, credentials, maxAttempts }: SqsClientOptions): SQSClient {
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
  return new SQSClient({
    region,
    ...(endpoint === undefined ? {} : { endpoint, useQueueUrlAsEndpoint: false }),
    ...(credentials === undefined ? {} : { credentials }),
    retryMode: 'standard',
    maxAttempts: maxAttempts ?? DEFAULT_MAX_ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
