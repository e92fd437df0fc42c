/** Writes an output to its destination. */
import { type ErrorCode, MillraceError } from '../../errors.ts';
import type { Destination, ObjectDestination } from './destination.ts';
import { type PresignedPutOptions, putPresigned, type UploadBody } from './presigned-put.ts';

/** Throws DESTINATION_REFUSED, DESTINATION_UNREACHABLE, PRESIGNED_URL_EXPIRED, TOO_LARGE, or what reading the body throws. */
export async function upload(destination: Destination, body: UploadBody, options: PresignedPutOptions): Promise<void> {
  if (destination.kind === 'put') return putPresigned(destination.url, destination.headers, body, options);
  return putObject(destination, body, options.signal);
}

async function putObject({ store, key, metadata, reportedUri }: ObjectDestination, body: UploadBody, signal: AbortSignal) {
  const stream = body.open();
  let bodyError: Error | undefined;
  stream.on('error', (error) => {
    bodyError ??= error;
  });
  const { contentType, sizeBytes: contentLengthBytes } = body;
  try {
    await store.put(key, stream, { contentType, contentLengthBytes, metadata, signal });
  } catch (thrown) {
    throw bodyError ?? asDestinationError(thrown, reportedUri);
  } finally {
    stream.destroy();
  }
}

const DESTINATION_CODES: Partial<Record<ErrorCode, ErrorCode>> = {
  STORE_FORBIDDEN: 'DESTINATION_REFUSED',
  STORE_ERROR: 'DESTINATION_REFUSED',
  STORE_UNREACHABLE: 'DESTINATION_UNREACHABLE',
};

function asDestinationError(thrown: unknown, uri: string): unknown {
  if (!(thrown instanceof MillraceError)) return thrown;
  const code = DESTINATION_CODES[thrown.code];
  if (code === undefined) return thrown;
  return new MillraceError(code, `${uri}: ${thrown.message}`, {
    cause: thrown,
    context: thrown.context,
    retryable: thrown.retryable,
  });
}
