/** The source of CopyObject and UploadPartCopy. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { ReceivedBody } from './body.ts';
import { type ChecksumAlgorithm, createChecksum } from './checksums.ts';
import { checkCopySourceConditions } from './conditions.ts';
import { existing, lost, writeAll } from './object-operations.ts';
import type { StoredObject } from './objects.ts';
import type { ObjectCall } from './operation.ts';
import { decodeSegment } from './request.ts';
import { S3Error } from './s3-error.ts';

export interface CopySource {
  readonly bucket: string;
  readonly key: string;
  readonly object: StoredObject;
  /** Reads the version that `object` describes. Must be read or closed. */
  readonly descriptor: number;
}

export function parseCopySource(header: string): { bucket: string; key: string } {
  const [path = '', query] = header.split('?', 2);
  if (query !== undefined) throw new S3Error('NotImplemented', undefined, { Header: 'x-amz-copy-source' });
  const match = /^\/?([^/]+)\/(.+)$/s.exec(decodeSegment(path));
  if (match === null) {
    throw new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  return { bucket: match[1] ?? '', key: match[2] ?? '' };
}

export function openCopySource(call: ObjectCall): CopySource {
  const source = parseCopySource(call.request.headers.get('x-amz-copy-source') ?? '');
  const sourceCall = { ...call, ...source };
  const object = existing(sourceCall);
  checkCopySourceConditions(call.request.headers, object);
  const descriptor = call.state.files.open(object.path, object.sizeBytes);
  if (descriptor === undefined) throw lost(sourceCall, object);
  return { ...source, object, descriptor };
}

/** Copies bytes of the source, and takes their digests as if they had been uploaded. */
export async function copyInto(
  { descriptor, object }: CopySource,
  handle: FileHandle,
  options: { range?: { start: number; end: number } | undefined; algorithm?: ChecksumAlgorithm | undefined } = {},
): Promise<ReceivedBody> {
  const md5 = createHash('md5');
  const running = options.algorithm === undefined ? undefined : createChecksum(options.algorithm);
  const { start, end } = options.range ?? { start: 0, end: object.sizeBytes - 1 };
  let sizeBytes = 0;
  const stream: AsyncIterable<Buffer> = createReadStream('', { fd: descriptor, start, end: Math.max(start, end) });
  for await (const chunk of stream) {
    md5.update(chunk);
    running?.update(chunk);
    sizeBytes += chunk.length;
    await writeAll(handle, chunk);
  }
  return {
    sizeBytes,
    md5Hex: md5.digest('hex'),
    checksum:
      running === undefined || options.algorithm === undefined
        ? undefined
        : { algorithm: options.algorithm, value: running.digest().toString('base64'), type: 'FULL_OBJECT' },
  };
}
