/** Bodies and headers of objects, for the XML API and for the JSON API's `alt=media`. */
import { closeSync } from 'node:fs';
import { checkReadConditions } from '../conditions.ts';
import type { StoredObject } from '../objects.ts';
import { parseRange } from '../range.ts';
import type { S3Response } from '../response.ts';
import { S3Error } from '../s3-error.ts';
import { checkGeneration, existing, type GoogleCall, wantedGeneration } from './call.ts';
import { objectHeaders, xmlEtag } from './object-resource.ts';

/** Everything up to the descriptor happens in one tick, so that row and file are of one version. */
export function readObject(call: GoogleCall, key: string): S3Response {
  const { request, state, bucket, log } = call;
  const object = existing(call, key);
  const descriptor = state.files.open(object.path, object.sizeBytes);
  if (descriptor === undefined) {
    log.warn({ bucket, key, path: object.path }, "an object's file was deleted or changed by hand; the object is gone");
    state.objects.forget(bucket, object);
    throw new S3Error('NoSuchKey', undefined, { Key: `${bucket}/${key}` });
  }
  let response: S3Response | undefined;
  try {
    response = described(call, object, descriptor);
    return response;
  } finally {
    // Whoever sends the body closes it.
    if (typeof response?.body !== 'object' || request.method === 'HEAD') closeSync(descriptor);
  }
}

function described(call: GoogleCall, object: StoredObject, descriptor: number): S3Response {
  const { request } = call;
  checkGeneration(wantedGeneration(call), object);
  checkReadConditions(request.headers, { etag: xmlEtag(object), modifiedMs: object.modifiedMs });
  const range = parseRange(request.headers.get('range'), object.sizeBytes);
  const bytes = range === undefined ? object.sizeBytes : range.end - range.start + 1;
  const headers = {
    ...objectHeaders(object),
    'content-length': String(bytes),
    ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${object.sizeBytes}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (bytes === 0 || request.method === 'HEAD') return { status, headers };
  return { status, headers, body: { descriptor, start: range?.start ?? 0, bytes } };
}
