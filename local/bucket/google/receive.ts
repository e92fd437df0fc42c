/** Bodies on their way into a file: counted and hashed as they come. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { createChecksum, type RunningChecksum } from '../checksums.ts';
import { writeAll } from '../object-operations.ts';
import type { ObjectContent } from '../objects.ts';
import type { S3Request } from '../request.ts';
import { GoogleError } from './google-error.ts';

/** What has arrived so far; a resumable upload goes on with it in its next request. */
export class Arrived {
  readonly #md5: Hash = createHash('md5');
  readonly #crc32c: RunningChecksum = createChecksum('CRC32C');
  sizeBytes = 0;

  async take(chunk: Buffer, handle: FileHandle): Promise<void> {
    await writeAll(handle, chunk);
    this.#md5.update(chunk);
    this.#crc32c.update(chunk);
    this.sizeBytes += chunk.length;
  }

  /** Call it once, at the end. */
  finish(): Pick<ObjectContent, 'sizeBytes' | 'etag' | 'checksum'> {
    const value = this.#crc32c.digest().toString('base64');
    return {
      sizeBytes: this.sizeBytes,
      etag: this.#md5.digest('hex'),
      checksum: { algorithm: 'CRC32C', value, type: 'FULL_OBJECT' },
    };
  }
}

/** Throws InvalidArgument where the body has not the length that its header announces, or more than `maxBytes`. */
export async function receive(request: S3Request, arrived: Arrived, handle: FileHandle, maxBytes: number): Promise<void> {
  const announced = request.headers.get('content-length');
  const announcedBytes = announced === undefined ? undefined : Number(announced);
  if ((announcedBytes ?? 0) > maxBytes) throw new GoogleError('UploadTooLarge');
  let bytes = 0;
  request.wantBody();
  // Leaving the loop early must not destroy the socket: the refusal still has to be sent through it.
  for await (const chunk of request.message.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new GoogleError('UploadTooLarge');
    await arrived.take(chunk, handle);
  }
  if (announcedBytes !== undefined && bytes !== announcedBytes)
    throw new GoogleError('InvalidArgument', 'The body is incomplete.');
}

/** A body that is a document, or small enough to be held. */
export async function receiveHeld(request: S3Request, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.wantBody();
  for await (const chunk of request.message.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new GoogleError('UploadTooLarge');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
