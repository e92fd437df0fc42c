/** Writes to a presigned URL. */
import type { Readable } from 'node:stream';
import { MillraceError } from '../../errors.ts';
import type { GuardedFetch } from '../../storage/guarded-fetch.ts';
import { withoutQuery } from '../../storage/uri.ts';
import { answerText, isExpired, REFUSAL_STATUSES } from '../presigned-url.ts';
import { NETWORK_RETRY, type RetryPolicy, withRetry } from '../retry.ts';

export interface UploadBody {
  readonly sizeBytes: number;
  readonly contentType: string;
  /** A new stream from the beginning, for every try. */
  readonly open: () => Readable;
}

export interface PresignedPutOptions {
  readonly fetch: GuardedFetch;
  readonly signal: AbortSignal;
  readonly retry?: RetryPolicy;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** S3's and Google's limit for one PUT. */
export const MAX_PUT_BYTES = 5 * 1024 ** 3;

/**
 * Throws PRESIGNED_URL_EXPIRED, DESTINATION_REFUSED, DESTINATION_UNREACHABLE (after its retries), TOO_LARGE, or what reading
 * the body throws.
 */
export async function putPresigned(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: UploadBody,
  options: PresignedPutOptions,
): Promise<void> {
  if (body.sizeBytes > MAX_PUT_BYTES) {
    throw new MillraceError('TOO_LARGE', `${body.sizeBytes} bytes are more than one PUT may carry (5 GiB).`, {
      fix: 'Give the worker credentials, so that it can upload in parts.',
    });
  }
  const { signal, retry = NETWORK_RETRY } = options;
  await withRetry(() => tryPut(url, headers, body, options), { signal, policy: retry, code: 'DESTINATION_UNREACHABLE' });
}

async function tryPut(url: string, headers: Readonly<Record<string, string>>, body: UploadBody, options: PresignedPutOptions) {
  const { fetch, signal, now = Date.now } = options;
  const stream = body.open();
  // Where the body breaks, that is what happened; the broken request is what follows from it.
  let bodyError: Error | undefined;
  stream.on('error', (error) => {
    bodyError ??= error;
  });
  try {
    const response = await fetch.request(url, { method: 'PUT', headers: requestHeaders(headers, body), body: stream, signal });
    const text = await answerText(response.body);
    if (response.status >= 200 && response.status < 300) return;
    throw refusal(url, response.status, text, now());
  } catch (thrown) {
    throw bodyError ?? thrown;
  } finally {
    stream.destroy();
  }
}

/** Signed headers go out exactly as they were signed, and win over our own. */
function requestHeaders(signed: Readonly<Record<string, string>>, body: UploadBody): Record<string, string> {
  const names = new Set(Object.keys(signed).map((name) => name.toLowerCase()));
  return {
    ...(names.has('content-type') ? {} : { 'content-type': body.contentType }),
    ...signed,
    'content-length': String(body.sizeBytes),
  };
}

function refusal(url: string, status: number, text: string, nowMs: number): MillraceError {
  const label = withoutQuery(url);
  const context = { status };
  if (REFUSAL_STATUSES.has(status) && isExpired(url, text, nowMs)) {
    return new MillraceError('PRESIGNED_URL_EXPIRED', `The presigned URL to write ${label} has run out.`, { context });
  }
  // S3 answers 400 where a body came too slowly.
  const transient = status === 408 || status === 429 || status >= 500 || (status === 400 && text.includes('RequestTimeout'));
  const reason = /<Code>(\w{1,64})<\/Code>/.exec(text)?.[1];
  const message = `${label} answered a PUT with status ${status}${reason === undefined ? '' : ` (${reason})`}.`;
  return new MillraceError(transient ? 'DESTINATION_UNREACHABLE' : 'DESTINATION_REFUSED', message, { context });
}
