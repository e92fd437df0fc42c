/** PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects. */
import { closeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type ReceivedBody, type ReceiveOptions, receiveBody, receiveText } from './body.ts';
import { assertWriteConditions, checkReadConditions } from './conditions.ts';
import type { ObjectFiles } from './files.ts';
import { metadataHeaders, readObjectHeaders, responseOverrides } from './object-headers.ts';
import type { ObjectContent, StoredObject } from './objects.ts';
import type { ObjectCall } from './operation.ts';
import { parseRange } from './range.ts';
import { checksumHeaders, document, httpDate, quoted, type S3Response, writtenHeaders } from './response.ts';
import { S3Error } from './s3-error.ts';
import { holding, readXml, repeated, XmlText } from './xml.ts';

/** S3's limit for one PUT and for one part. */
export const MAX_BODY_BYTES = 5 * 1024 ** 3;
const MAX_KEYS_PER_DELETE = 1000;

export async function putObject(call: ObjectCall): Promise<S3Response> {
  const { request, state, bucket, key } = call;
  state.objects.assertBucket(bucket);
  assertWriteConditions(request.headers);
  const described = readObjectHeaders(request.headers);
  return withIncoming(call, async (path, handle) => {
    const body = await receiveInto(call, handle);
    const content: ObjectContent = {
      ...described,
      path,
      sizeBytes: body.sizeBytes,
      etag: body.md5Hex,
      checksum: body.checksum,
    };
    const object = state.objects.write({
      bucket,
      key,
      content,
      event: 'ObjectCreated:Put',
      conditions: request.headers,
      origin: call.origin,
    });
    return { status: 200, headers: writtenHeaders(object) };
  });
}

/** Lends a file under `incoming/`; whatever of it was not made an object or a part is deleted. */
export function withIncoming<T>(call: ObjectCall, work: (path: string, handle: FileHandle) => Promise<T>): Promise<T> {
  return withIncomingFile(call.state.files, work);
}

export async function withIncomingFile<T>(
  files: ObjectFiles,
  work: (path: string, handle: FileHandle) => Promise<T>,
): Promise<T> {
  const path = files.newIncoming();
  const handle = await open(files.absolute(path), 'wx');
  try {
    return await work(path, handle);
  } finally {
    await handle.close();
    files.discard(path);
  }
}

export function receiveInto(
  { request, authentication }: ObjectCall,
  handle: FileHandle,
  options: Pick<ReceiveOptions, 'computeAlgorithm'> = {},
): Promise<ReceivedBody> {
  return receiveBody(request, {
    authentication,
    maxBytes: MAX_BODY_BYTES,
    ...options,
    write: (chunk) => writeAll(handle, chunk),
  });
}

/** A write may take fewer bytes than it was given. */
export async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, offset);
    offset += bytesWritten;
  }
}

export async function headObject(call: ObjectCall): Promise<S3Response> {
  const object = existing(call);
  if (!call.state.files.isWhole(object.path, object.sizeBytes)) throw lost(call, object);
  checkReadConditions(call.request.headers, object);
  const range = parseRange(call.request.headers.get('range'), object.sizeBytes);
  return describe(call, object, range);
}

export async function getObject(call: ObjectCall): Promise<S3Response> {
  const object = existing(call);
  // Opened in the tick in which its row was read, so that both are of one version.
  const descriptor = call.state.files.open(object.path, object.sizeBytes);
  if (descriptor === undefined) throw lost(call, object);
  try {
    checkReadConditions(call.request.headers, object);
    const range = parseRange(call.request.headers.get('range'), object.sizeBytes);
    const { status, headers } = describe(call, object, range);
    const bytes = Number(headers['content-length']);
    if (bytes > 0) return { status, headers, body: { descriptor, start: range?.start ?? 0, bytes } };
    closeSync(descriptor);
    return { status, headers };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

export function existing({ state, bucket, key }: ObjectCall): StoredObject {
  state.objects.assertBucket(bucket);
  const object = state.objects.find(bucket, key);
  if (object === undefined) throw new S3Error('NoSuchKey', undefined, { Key: key });
  return object;
}

/** Somebody deleted or changed the file by hand: what was stored is no longer there to be given back. */
export function lost({ state, bucket, key, log }: ObjectCall, object: StoredObject): S3Error {
  log.warn({ bucket, key, path: object.path }, "an object's file was deleted or changed by hand; the object is gone");
  state.objects.forget(bucket, object);
  return new S3Error('NoSuchKey', undefined, { Key: key });
}

function describe({ request }: ObjectCall, object: StoredObject, range: { start: number; end: number } | undefined): S3Response {
  const bytes = range === undefined ? object.sizeBytes : range.end - range.start + 1;
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      'accept-ranges': 'bytes',
      'content-length': String(bytes),
      etag: quoted(object.etag),
      'last-modified': httpDate(object.modifiedMs),
      ...object.headers,
      ...metadataHeaders(object.metadata),
      ...responseOverrides(request.parameters),
      ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${object.sizeBytes}` }),
      // A checksum of the whole would make a client refuse a part.
      ...(range === undefined && request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
        ? checksumHeaders(object)
        : {}),
    },
  };
}

export async function deleteObject({ state, request, bucket, key, origin }: ObjectCall): Promise<S3Response> {
  state.objects.remove(bucket, key, request.headers, origin);
  return { status: 204, headers: {} };
}

/** What DeleteObjects may also name an object by, and this bucket does not know. */
const UNKNOWN_IDENTIFIERS = ['VersionId', 'LastModifiedTime', 'Size'];
const DeleteBody = holding({
  Quiet: XmlText.optional(),
  Object: repeated(holding({ Key: XmlText, ETag: XmlText.optional() })),
});

export async function deleteObjects({ state, request, authentication, bucket, origin }: ObjectCall): Promise<S3Response> {
  state.objects.assertBucket(bucket);
  const body = await receiveText(request, authentication);
  const { Object: wanted, Quiet } = readXml(body, 'Delete', DeleteBody);
  if (wanted.length === 0 || wanted.length > MAX_KEYS_PER_DELETE) throw new S3Error('MalformedXML');
  const unknown = UNKNOWN_IDENTIFIERS.find((name) => wanted.some((object) => Object.hasOwn(object, name)));
  if (unknown !== undefined) throw new S3Error('NotImplemented', undefined, { Element: unknown });
  const deleted: string[] = [];
  const failed: { Key: string; Code: string; Message: string }[] = [];
  for (const { Key, ETag } of wanted) {
    try {
      state.objects.remove(bucket, Key, ETag === undefined ? new Map() : new Map([['if-match', ETag]]), origin);
      deleted.push(Key);
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      failed.push({ Key, Code: error.code, Message: error.message });
    }
  }
  return document('DeleteResult', {
    Deleted: Quiet?.trim() === 'true' ? [] : deleted.map((Key) => ({ Key })),
    Error: failed,
  });
}
