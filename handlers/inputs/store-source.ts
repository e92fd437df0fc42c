/** An input in a bucket that the worker has credentials for. */
import { Readable } from 'node:stream';
import { type ErrorCode, MillraceError } from '../../errors.ts';
import { generationOf } from '../../storage/gcs-version.ts';
import type { ObjectHead, ObjectStore } from '../../storage/object-store.ts';
import type { InputSource, SourceBody } from './source.ts';

export function createStoreSource(store: ObjectStore, key: string): InputSource {
  const label = `${store.scheme}://${store.bucket}/${key}`;
  let known: ObjectHead | undefined;
  return {
    label,
    fileName: key.slice(key.lastIndexOf('/') + 1),
    async open(range, { ifMatch, signal }) {
      try {
        // An empty object has no first byte, so a range of it would be refused.
        known ??= (await store.head(key, signal)) ?? undefined;
        if (known === undefined) throw missing(label);
        if (generationOf(ifMatch) !== undefined && known.generation === undefined) throw withoutGeneration(label);
        if (known.sizeBytes === 0) return described(known, range !== undefined, Readable.from([]));
        const object = await store.get(key, {
          signal,
          ...(range === undefined ? {} : { range }),
          ...(ifMatch === undefined ? {} : { ifMatch }),
        });
        if (object === null) throw missing(label);
        return described({ ...object, sizeBytes: known.sizeBytes }, range !== undefined, object.body);
      } catch (thrown) {
        throw asSourceError(thrown, label);
      }
    },
  };
}

function described(head: ObjectHead, ranged: boolean, body: Readable): SourceBody {
  return { ranged, totalBytes: head.sizeBytes, etag: head.etag, etagIsWeak: false, contentType: head.contentType, body };
}

function missing(label: string): MillraceError {
  return new MillraceError('SOURCE_MISSING', `${label} is not there.`);
}

/** Google's S3-interoperable API keeps generations to itself. */
function withoutGeneration(label: string): MillraceError {
  return new MillraceError(
    'SOURCE_UNREACHABLE',
    `${label} was planned with a generation, which this worker's store does not tell.`,
    {
      retryable: false,
      fix: "Give the worker Google's own credentials (GOOGLE_APPLICATION_CREDENTIALS), or none, so that it is sent presigned URLs.",
    },
  );
}

const SOURCE_CODES: Partial<Record<ErrorCode, ErrorCode>> = {
  STORE_FORBIDDEN: 'SOURCE_FORBIDDEN',
  STORE_UNREACHABLE: 'SOURCE_UNREACHABLE',
  STORE_ERROR: 'SOURCE_UNREACHABLE',
};

/** What the store says of an object, as what it means for an input. */
function asSourceError(thrown: unknown, label: string): unknown {
  if (!(thrown instanceof MillraceError)) return thrown;
  const code = SOURCE_CODES[thrown.code];
  if (code === undefined) return thrown;
  return new MillraceError(code, `${label}: ${thrown.message}`, {
    cause: thrown,
    context: thrown.context,
    retryable: thrown.retryable,
  });
}
