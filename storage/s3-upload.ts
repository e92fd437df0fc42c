/** Large streams, in parts: each part is held in memory, so it can be sent again, which a plain streamed PUT cannot. */
import type { Readable } from 'node:stream';
import type { PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { exactLength } from './body-length.ts';

export const MULTIPART_THRESHOLD_BYTES = 32 * 1024 * 1024;
const PART_BYTES = 8 * 1024 * 1024;
/** S3's limit is 10,000. */
const MAX_PARTS = 9_999;
/** Parts in memory at once. */
const CONCURRENT_PARTS = 4;

/** Uploads `body` and gives the ETag. A failed or stopped upload leaves no parts behind, as far as the store can be reached. */
export async function uploadParts(
  client: S3Client,
  input: Pick<PutObjectCommandInput, 'Bucket' | 'Key' | 'ContentType' | 'Metadata'>,
  body: Readable,
  lengthBytes: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const exact = exactLength(body, lengthBytes);
  const upload = new Upload({
    client,
    params: { ...input, Body: exact },
    partSize: Math.max(PART_BYTES, Math.ceil(lengthBytes / MAX_PARTS)),
    queueSize: CONCURRENT_PARTS,
    leavePartsOnError: false,
  });
  const stop = () => void upload.abort().catch(() => undefined);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    signal?.throwIfAborted();
    return (await upload.done()).ETag;
  } finally {
    signal?.removeEventListener('abort', stop);
    body.destroy();
    exact.destroy();
  }
}
