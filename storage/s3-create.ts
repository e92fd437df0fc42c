/**
 * Conditional creation over a network that loses replies.
 *
 * `If-None-Match: *` answers 412 to whoever comes second, and a request sent again because its reply was lost comes second to
 * itself. So every call marks the object with an id of its own, and a 412 after any try whose end is unknown is settled by
 * reading that mark: ours means that we did create it. The body would not do: two callers may write the same bytes.
 */
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ObjectHead, PutOptions } from './object-store.ts';
import { type StoreFailure, storeFailure } from './s3-errors.ts';

/** The metadata name of the mark. */
export const CREATE_MARK = 'millrace-create';

/** Tries of our own, each of which the SDK may send several times. R2 takes about one write a second per key. */
const MAX_CREATE_ATTEMPTS = 6;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;

export interface Creation {
  readonly client: S3Client;
  readonly bucket: string;
  readonly head: (key: string, signal: AbortSignal | undefined) => Promise<ObjectHead | null>;
  /** A new text every time. */
  readonly randomId: () => string;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
  readonly sleep: Sleep;
}

/** Rejects when `signal` is aborted. */
export type Sleep = (ms: number, signal: AbortSignal | undefined) => Promise<void>;

/** True where this call created the object. Throws what the SDK throws, where the end stays unknown. */
export async function createObject(
  { client, bucket, head, randomId, random, sleep }: Creation,
  key: string,
  body: Uint8Array | string,
  options: PutOptions,
): Promise<boolean> {
  const mark = randomId();
  const command = new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    Body: body,
    IfNoneMatch: '*',
    Metadata: { ...options.metadata, [CREATE_MARK]: mark },
    ...(options.contentType === undefined ? {} : { ContentType: options.contentType }),
  });
  let uncertain = false;
  for (let attempt = 1; ; attempt++) {
    try {
      await client.send(command, options.signal === undefined ? {} : { abortSignal: options.signal });
      return true;
    } catch (thrown) {
      const failure = storeFailure(thrown);
      // The SDK's own tries before the last one may have arrived too.
      uncertain ||= failure.attempts > 1 || mayHaveArrived(failure);
      if (failure.status === 412) return uncertain ? isMarked(await head(key, options.signal), mark) : false;
      if (attempt === MAX_CREATE_ATTEMPTS || !isWorthAnotherTry(failure) || options.signal?.aborted === true) throw thrown;
    }
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1)) * (0.5 + random() / 2);
    await sleep(pauseMs, options.signal);
  }
}

/** 409: another write of the key is in progress. 429 and 503: too many. Outages have already had the SDK's own tries. */
function isWorthAnotherTry({ status }: StoreFailure): boolean {
  return status === 409 || status === 429 || status === 503;
}

function mayHaveArrived({ status, isNetwork }: StoreFailure): boolean {
  return isNetwork || (status !== undefined && status >= 500);
}

function isMarked(head: ObjectHead | null, mark: string): boolean {
  return head?.metadata[CREATE_MARK] === mark;
}
