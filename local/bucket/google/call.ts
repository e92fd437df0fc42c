/** A request to the local Google API, authorised, and the parts that all its answers are made of. */
import type { Logger } from '../../../log.ts';
import type { Origin, StoredObject } from '../objects.ts';
import type { BucketState } from '../operation.ts';
import type { S3Request } from '../request.ts';
import type { S3Response } from '../response.ts';
import { S3Error } from '../s3-error.ts';
import { selectFields } from './fields.ts';
import { GoogleError } from './google-error.ts';
import type { UploadSessions } from './upload-sessions.ts';

export interface GoogleCall {
  readonly state: BucketState;
  readonly sessions: UploadSessions;
  readonly request: S3Request;
  readonly origin: Origin;
  readonly log: Logger;
  readonly bucket: string;
}

export function answer(call: GoogleCall, resource: unknown): S3Response {
  const selected = selectFields(resource, call.request.parameters.get('fields'));
  return { status: 200, headers: { 'content-type': 'application/json; charset=UTF-8' }, body: JSON.stringify(selected) };
}

export function existing({ state, bucket }: GoogleCall, key: string): StoredObject {
  state.objects.assertBucket(bucket);
  const object = state.objects.find(bucket, key);
  if (object === undefined) throw new S3Error('NoSuchKey', undefined, { Key: `${bucket}/${key}` });
  return object;
}

/** `undefined` where the request sets no condition. 0 means that there must be no object. */
export function wantedGeneration({ request }: GoogleCall): number | undefined {
  const text = request.parameters.get('ifGenerationMatch') ?? request.headers.get('x-goog-if-generation-match');
  if (text === undefined) return undefined;
  if (!/^\d{1,16}$/.test(text)) throw new GoogleError('InvalidArgument', 'Invalid value for ifGenerationMatch');
  return Number(text);
}

/** Must run in the same tick as the read or write that it guards. */
export function checkGeneration(wanted: number | undefined, current: StoredObject | undefined): void {
  if (wanted !== undefined && wanted !== (current?.generation ?? 0)) throw new GoogleError('PreconditionFailed');
}
