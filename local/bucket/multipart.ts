/** The multipart operations. A part is a file; completing writes them one behind the other into the object's file. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { receiveText } from './body.ts';
import {
  CHECKSUM_ALGORITHMS,
  type Checksum,
  type ChecksumAlgorithm,
  checksumHeader,
  createChecksum,
  parseAlgorithm,
} from './checksums.ts';
import { assertWriteConditions } from './conditions.ts';
import { type CopySource, copyInto, openCopySource } from './copy-source.ts';
import { readObjectHeaders } from './object-headers.ts';
import { MAX_BODY_BYTES, receiveInto, withIncoming, writeAll } from './object-operations.ts';
import type { ObjectCall } from './operation.ts';
import { type ByteRange, parseRange } from './range.ts';
import { checksumElements, document, isoDate, quoted, type S3Response, writtenHeaders } from './response.ts';
import { S3Error } from './s3-error.ts';
import type { ChecksumType, Part, Upload } from './uploads.ts';
import { holding, readXml, repeated, XmlText } from './xml.ts';

/** S3's own limits. */
const MAX_PARTS = 10_000;
const MIN_PART_BYTES = 5 * 1024 ** 2;
const MAX_OBJECT_BYTES = 5 * 1024 ** 4;

export async function createMultipartUpload({ state, request, bucket, key }: ObjectCall): Promise<S3Response> {
  state.objects.assertBucket(bucket);
  const algorithm = readAlgorithm(request.headers.get('x-amz-checksum-algorithm'));
  const checksumType = readChecksumType(request.headers.get('x-amz-checksum-type'), algorithm);
  const upload = state.uploads.create({
    bucket,
    key,
    initiatedMs: state.now(),
    ...readObjectHeaders(request.headers),
    checksumAlgorithm: algorithm,
    checksumType,
  });
  return document(
    'InitiateMultipartUploadResult',
    { Bucket: bucket, Key: key, UploadId: upload.id },
    algorithm === undefined ? {} : { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': checksumType },
  );
}

function readAlgorithm(value: string | undefined): ChecksumAlgorithm | undefined {
  if (value === undefined) return undefined;
  const algorithm = parseAlgorithm(value);
  if (algorithm === undefined) throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  return algorithm;
}

function readChecksumType(value: string | undefined, algorithm: ChecksumAlgorithm | undefined): ChecksumType {
  if (value === undefined) return algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE';
  const type = value.toUpperCase();
  if (algorithm === undefined || (type !== 'FULL_OBJECT' && type !== 'COMPOSITE')) {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  if ((type === 'FULL_OBJECT' && algorithm.startsWith('SHA')) || (type === 'COMPOSITE' && algorithm === 'CRC64NVME')) {
    throw new S3Error('InvalidRequest', `The ${type} checksum type cannot be used with the ${algorithm} checksum algorithm.`);
  }
  return type;
}

function uploadIn({ state, request, bucket, key }: ObjectCall): Upload {
  state.objects.assertBucket(bucket);
  return state.uploads.get(request.parameters.get('uploadId') ?? '', bucket, key);
}

function partNumber({ request }: ObjectCall): number {
  const text = request.parameters.get('partNumber') ?? '';
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number < 1 || number > MAX_PARTS) {
    throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`, {
      ArgumentName: 'partNumber',
      ArgumentValue: text,
    });
  }
  return number;
}

export async function uploadPart(call: ObjectCall): Promise<S3Response> {
  const upload = uploadIn(call);
  const number = partNumber(call);
  return withIncoming(call, async (path, handle) => {
    const body = await receiveInto(call, handle, { computeAlgorithm: upload.checksumAlgorithm });
    const wanted = upload.checksumAlgorithm;
    if (wanted !== undefined && body.checksum?.algorithm !== wanted) {
      throw new S3Error('InvalidRequest', `Checksum Type mismatch occurred, expected checksum Type: ${wanted}.`);
    }
    const { sizeBytes, md5Hex: etag, checksum } = body;
    call.state.uploads.putPart(upload, { number, path, sizeBytes, etag, checksum, modifiedMs: call.state.now() });
    const { 'x-amz-checksum-type': _, ...headers } = writtenHeaders({ etag, checksum });
    return { status: 200, headers };
  });
}

export async function uploadPartCopy(call: ObjectCall): Promise<S3Response> {
  const upload = uploadIn(call);
  const number = partNumber(call);
  return withIncoming(call, async (path, handle) => {
    const source = openCopySource(call);
    const header = call.request.headers.get('x-amz-copy-source-range');
    const range = copyRange(header, source);
    const body = await copyInto(source, handle, { range, algorithm: upload.checksumAlgorithm });
    const { sizeBytes, md5Hex: etag, checksum } = body;
    if (sizeBytes > MAX_BODY_BYTES) throw new S3Error('EntityTooLarge');
    const modifiedMs = call.state.now();
    call.state.uploads.putPart(upload, { number, path, sizeBytes, etag, checksum, modifiedMs });
    const { ChecksumType: _, ...checksums } = checksumElements({ checksum });
    return document('CopyPartResult', { LastModified: isoDate(modifiedMs), ETag: quoted(etag), ...checksums });
  });
}

function copyRange(header: string | undefined, { object, descriptor }: CopySource): ByteRange | undefined {
  try {
    const range = parseRange(header, object.sizeBytes);
    if (header === undefined || range !== undefined) return range;
    throw new S3Error('InvalidArgument', 'The x-amz-copy-source-range value must be of the form bytes=first-last.');
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

export async function abortMultipartUpload(call: ObjectCall): Promise<S3Response> {
  const { id } = uploadIn(call);
  call.state.uploads.abort(id, call.bucket, call.key);
  return { status: 204, headers: {} };
}

const ChecksumElements = {
  ChecksumCRC32: XmlText.optional(),
  ChecksumCRC32C: XmlText.optional(),
  ChecksumCRC64NVME: XmlText.optional(),
  ChecksumSHA1: XmlText.optional(),
  ChecksumSHA256: XmlText.optional(),
};
const CompleteBody = holding({
  Part: repeated(holding({ ...ChecksumElements, PartNumber: z.string().regex(/^\s*\d{1,5}\s*$/), ETag: XmlText })),
});

export async function completeMultipartUpload(call: ObjectCall): Promise<S3Response> {
  const { state, request, bucket, key, origin } = call;
  const upload = uploadIn(call);
  assertWriteConditions(request.headers);
  const body = await receiveText(withoutObjectChecksum(call).request, call.authentication);
  const parts = chooseParts(readXml(body, 'CompleteMultipartUpload', CompleteBody).Part, state.uploads.parts(upload.id), upload);
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  if (sizeBytes > MAX_OBJECT_BYTES) throw new S3Error('EntityTooLarge');
  const announcedBytes = request.headers.get('x-amz-mp-object-size');
  if (announcedBytes !== undefined && announcedBytes !== String(sizeBytes)) {
    throw new S3Error('InvalidRequest', 'The provided x-amz-mp-object-size header does not match what was computed.');
  }
  return withIncoming(call, async (path, handle) => {
    const wholeChecksum = await joinParts(call, parts, handle, upload);
    const checksum = upload.checksumType === 'FULL_OBJECT' ? wholeChecksum : compositeChecksum(parts, upload);
    assertObjectChecksum(call, checksum);
    const object = state.objects.write({
      bucket,
      key,
      content: { path, sizeBytes, etag: compositeEtag(parts), headers: upload.headers, metadata: upload.metadata, checksum },
      event: 'ObjectCreated:CompleteMultipartUpload',
      conditions: request.headers,
      origin,
      alongside: () => {
        // Another completion, an abort or a new part may have come while the parts were joined.
        state.uploads.get(upload.id, bucket, key);
        const present = new Set(state.uploads.parts(upload.id).map((part) => part.path));
        if (parts.some((part) => !present.has(part.path))) throw new S3Error('OperationAborted');
        return state.uploads.end(upload.id);
      },
    });
    return document('CompleteMultipartUploadResult', {
      Location: `/${bucket}/${key}`,
      Bucket: bucket,
      Key: key,
      ETag: quoted(object.etag),
      ...checksumElements(object),
    });
  });
}

/** The checksum headers of this one request speak of the object to be, not of the XML that is sent. */
function withoutObjectChecksum(call: ObjectCall): ObjectCall {
  const headers = new Map([...call.request.headers].filter(([name]) => !name.startsWith('x-amz-checksum-')));
  return { ...call, request: { ...call.request, headers } };
}

function assertObjectChecksum({ request }: ObjectCall, checksum: Checksum | undefined): void {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const claimed = request.headers.get(checksumHeader(algorithm));
    if (claimed !== undefined && (checksum?.algorithm !== algorithm || checksum.value.split('-')[0] !== claimed.split('-')[0])) {
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
  }
  const type = request.headers.get('x-amz-checksum-type');
  if (type !== undefined && type !== checksum?.type) {
    throw new S3Error('InvalidRequest', 'The upload was created using another checksum type.');
  }
}

function chooseParts(wanted: z.infer<typeof CompleteBody>['Part'], present: readonly Part[], upload: Upload): Part[] {
  if (wanted.length === 0 || wanted.length > MAX_PARTS) throw new S3Error('MalformedXML');
  const byNumber = new Map(present.map((part) => [part.number, part]));
  let previous = 0;
  const chosen = wanted.map(({ PartNumber, ETag, ...checksums }) => {
    const number = Number(PartNumber);
    if (number <= previous) throw new S3Error('InvalidPartOrder', undefined, { UploadId: upload.id });
    previous = number;
    const part = byNumber.get(number);
    const claimed = part?.checksum === undefined ? undefined : checksums[`Checksum${part.checksum.algorithm}`];
    const agrees =
      part !== undefined &&
      part.etag === ETag.trim().replaceAll('"', '') &&
      (claimed ?? part.checksum?.value) === part.checksum?.value;
    if (!agrees) {
      throw new S3Error('InvalidPart', undefined, { UploadId: upload.id, PartNumber: String(number), ETag });
    }
    return part;
  });
  const small = chosen.slice(0, -1).find((part) => part.sizeBytes < MIN_PART_BYTES);
  if (small !== undefined) {
    throw new S3Error('EntityTooSmall', undefined, {
      ProposedSize: String(small.sizeBytes),
      MinSizeAllowed: String(MIN_PART_BYTES),
      PartNumber: String(small.number),
    });
  }
  return chosen;
}

async function joinParts(
  call: ObjectCall,
  parts: readonly Part[],
  handle: FileHandle,
  upload: Upload,
): Promise<Checksum | undefined> {
  const { files } = call.state;
  const algorithm = upload.checksumType === 'FULL_OBJECT' ? upload.checksumAlgorithm : undefined;
  const running = algorithm === undefined ? undefined : createChecksum(algorithm);
  for (const part of parts) {
    const descriptor = files.open(part.path, part.sizeBytes);
    if (descriptor === undefined) throw new S3Error('OperationAborted');
    const stream: AsyncIterable<Buffer> = createReadStream('', { fd: descriptor, start: 0 });
    for await (const chunk of stream) {
      running?.update(chunk);
      await writeAll(handle, chunk);
    }
  }
  if (running === undefined || algorithm === undefined) return undefined;
  return { algorithm, value: running.digest().toString('base64'), type: 'FULL_OBJECT' };
}

/** MD5 over the parts' MD5s, and how many there were: what S3 answers for objects that were uploaded in parts. */
function compositeEtag(parts: readonly Part[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(Buffer.from(part.etag, 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

function compositeChecksum(parts: readonly Part[], upload: Upload): Checksum | undefined {
  const algorithm = upload.checksumAlgorithm;
  if (algorithm === undefined) return undefined;
  const running = createChecksum(algorithm);
  for (const part of parts) running.update(Buffer.from(part.checksum?.value ?? '', 'base64'));
  return { algorithm, value: `${running.digest().toString('base64')}-${parts.length}`, type: 'COMPOSITE' };
}
