/** What a request is answered with, and how it is sent. */
import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { checksumHeader } from './checksums.ts';
import type { StoredObject } from './objects.ts';
import type { S3Error } from './s3-error.ts';
import { writeXml, type XmlTree } from './xml.ts';

export interface S3Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A document, or a part of a file: `descriptor` is closed once it is sent. */
  readonly body?: string | { readonly descriptor: number; readonly start: number; readonly bytes: number };
}

export const quoted = (etag: string): string => `"${etag}"`;
export const httpDate = (ms: number): string => new Date(ms).toUTCString();
export const isoDate = (ms: number): string => new Date(ms).toISOString();

export function document(root: string, content: XmlTree | string, headers: Readonly<Record<string, string>> = {}): S3Response {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body: writeXml(root, content) };
}

/** The headers that say what a write has made. */
export function writtenHeaders(object: Pick<StoredObject, 'etag' | 'checksum'>): Record<string, string> {
  return { etag: quoted(object.etag), ...checksumHeaders(object) };
}

export function checksumHeaders({ checksum }: Pick<StoredObject, 'checksum'>): Record<string, string> {
  return checksum === undefined
    ? {}
    : { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** The same as elements of an XML answer: `ChecksumCRC32` and so on. */
export function checksumElements({ checksum }: Pick<StoredObject, 'checksum'>): XmlTree {
  return checksum === undefined ? {} : { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type };
}

export function errorResponse(error: S3Error, resource: string, requestId: string): S3Response {
  if (error.code === 'NotModified') return { status: 304, headers: {} };
  const content = {
    Code: error.code,
    Message: error.message,
    ...error.details,
    Resource: resource,
    RequestId: requestId,
    HostId: requestId,
  };
  return { ...document('Error', content), status: error.status };
}

/** Throws where the client goes away before the end. */
export async function send(
  response: S3Response,
  to: ServerResponse,
  options: { requestId: string; withBody: boolean },
): Promise<void> {
  const { status, headers, body } = response;
  to.writeHead(status, {
    'x-amz-request-id': options.requestId,
    'x-amz-id-2': options.requestId,
    ...(typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
    ...headers,
  });
  if (body === undefined || typeof body === 'string' || !options.withBody) {
    to.end(options.withBody ? body : undefined);
    return;
  }
  const { descriptor, start, bytes } = body;
  await pipeline(createReadStream('', { fd: descriptor, start, end: start + bytes - 1 }), to);
}
