/**
 * Every operation that this bucket has, and what of a request each of them obeys. Whatever a request asks for beyond that is refused
 * with 501: to take an unknown subresource (`?tagging`, `?acl`) for a plain PUT would overwrite the object.
 */
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getNotifications,
  headBucket,
  listBuckets,
  putNotifications,
} from './bucket-operations.ts';
import { copyObject } from './copy-object.ts';
import { listMultipartUploads, listObjects, listObjectsV2, listParts } from './list-operations.ts';
import { abortMultipartUpload, completeMultipartUpload, createMultipartUpload, uploadPart, uploadPartCopy } from './multipart.ts';
import { OWNER_ID } from './notifications.ts';
import { RESPONSE_OVERRIDES } from './object-headers.ts';
import { deleteObject, deleteObjects, getObject, headObject, putObject } from './object-operations.ts';
import type { Operation } from './operation.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';

const NEW_OBJECT = ['x-amz-meta-', 'x-amz-storage-class', 'x-amz-acl'];
const COPY_SOURCE = ['x-amz-copy-source', 'x-amz-copy-source-if-'];
const LISTING = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];

const OPERATIONS: readonly Operation[] = [
  { name: 'ListBuckets', method: 'GET', on: 'service', handle: listBuckets },

  {
    name: 'CreateBucket',
    method: 'PUT',
    on: 'bucket',
    headers: ['x-amz-acl', 'x-amz-object-ownership'],
    handle: createBucket,
  },
  { name: 'HeadBucket', method: 'HEAD', on: 'bucket', handle: headBucket },
  { name: 'DeleteBucket', method: 'DELETE', on: 'bucket', handle: deleteBucket },
  { name: 'GetBucketLocation', method: 'GET', on: 'bucket', selects: ['location'], handle: getBucketLocation },
  {
    name: 'GetBucketNotificationConfiguration',
    method: 'GET',
    on: 'bucket',
    selects: ['notification'],
    handle: getNotifications,
  },
  {
    name: 'PutBucketNotificationConfiguration',
    method: 'PUT',
    on: 'bucket',
    selects: ['notification'],
    headers: ['x-amz-skip-destination-validation'],
    handle: putNotifications,
  },
  { name: 'ListObjects', method: 'GET', on: 'bucket', parameters: [...LISTING, 'marker'], handle: listObjects },
  {
    name: 'ListObjectsV2',
    method: 'GET',
    on: 'bucket',
    selects: ['list-type=2'],
    parameters: [...LISTING, 'start-after', 'continuation-token', 'fetch-owner'],
    handle: listObjectsV2,
  },
  {
    name: 'ListMultipartUploads',
    method: 'GET',
    on: 'bucket',
    selects: ['uploads'],
    parameters: ['prefix', 'max-uploads', 'encoding-type', 'key-marker', 'upload-id-marker'],
    handle: listMultipartUploads,
  },
  { name: 'DeleteObjects', method: 'POST', on: 'bucket', selects: ['delete'], handle: deleteObjects },

  { name: 'PutObject', method: 'PUT', on: 'object', headers: [...NEW_OBJECT], handle: putObject },
  {
    name: 'CopyObject',
    method: 'PUT',
    on: 'object',
    copies: true,
    headers: [...NEW_OBJECT, ...COPY_SOURCE, 'x-amz-metadata-directive', 'x-amz-tagging-directive', 'x-amz-checksum-algorithm'],
    handle: copyObject,
  },
  {
    name: 'GetObject',
    method: 'GET',
    on: 'object',
    parameters: RESPONSE_OVERRIDES,
    headers: ['x-amz-checksum-mode'],
    handle: getObject,
  },
  {
    name: 'HeadObject',
    method: 'HEAD',
    on: 'object',
    parameters: RESPONSE_OVERRIDES,
    headers: ['x-amz-checksum-mode'],
    handle: headObject,
  },
  { name: 'DeleteObject', method: 'DELETE', on: 'object', handle: deleteObject },

  {
    name: 'CreateMultipartUpload',
    method: 'POST',
    on: 'object',
    selects: ['uploads'],
    headers: [...NEW_OBJECT, 'x-amz-checksum-algorithm', 'x-amz-checksum-type'],
    handle: createMultipartUpload,
  },
  {
    name: 'UploadPart',
    method: 'PUT',
    on: 'object',
    selects: ['partNumber', 'uploadId'],

    handle: uploadPart,
  },
  {
    name: 'UploadPartCopy',
    method: 'PUT',
    on: 'object',
    selects: ['partNumber', 'uploadId'],
    copies: true,
    headers: [...COPY_SOURCE, 'x-amz-copy-source-range'],
    handle: uploadPartCopy,
  },
  {
    name: 'CompleteMultipartUpload',
    method: 'POST',
    on: 'object',
    selects: ['uploadId'],
    headers: ['x-amz-checksum-type', 'x-amz-mp-object-size'],
    handle: completeMultipartUpload,
  },
  { name: 'AbortMultipartUpload', method: 'DELETE', on: 'object', selects: ['uploadId'], handle: abortMultipartUpload },
  {
    name: 'ListParts',
    method: 'GET',
    on: 'object',
    selects: ['uploadId'],
    parameters: ['max-parts', 'part-number-marker'],
    handle: listParts,
  },
];

const ALWAYS_OBEYED = [
  // These speak of the request's own body. SDKs send them, for no body at all, even with a GET.
  'x-amz-checksum-',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-trailer',
  'x-amz-decoded-content-length',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-user-agent',
  'x-amz-expected-bucket-owner',
  'x-amz-source-expected-bucket-owner',
  'x-amz-request-payer',
];

/** Headers that are obeyed because they ask for what is done anyway: any other value is refused. */
const ONLY_VALUES: Readonly<Record<string, readonly string[]>> = {
  'x-amz-acl': ['private', 'bucket-owner-full-control'],
  'x-amz-storage-class': ['STANDARD'],
  'x-amz-object-ownership': ['BucketOwnerEnforced'],
  'x-amz-tagging-directive': ['COPY'],
};

/** The operation that a request means. Throws NotImplemented where it asks for anything that the operation would not do. */
export function chooseOperation(request: S3Request): Operation {
  const level = request.bucket === undefined ? 'service' : request.key === undefined ? 'bucket' : 'object';
  const copies = request.headers.has('x-amz-copy-source');
  const candidates = OPERATIONS.filter(
    (operation) =>
      operation.method === request.method &&
      operation.on === level &&
      (operation.copies ?? false) === copies &&
      (operation.selects ?? []).every((selector) => isSelected(selector, request.parameters)),
  ).sort((one, other) => (other.selects?.length ?? 0) - (one.selects?.length ?? 0));
  const operation = candidates[0];
  if (operation === undefined) throw new S3Error('NotImplemented', undefined, { Method: request.method });
  assertParametersKnown(operation, request);
  assertHeadersKnown(operation, request);
  return operation;
}

function isSelected(selector: string, parameters: ReadonlyMap<string, string>): boolean {
  const [name = '', value] = selector.split('=');
  return value === undefined ? parameters.has(name) : parameters.get(name) === value;
}

function assertParametersKnown({ selects = [], parameters = [] }: Operation, request: S3Request): void {
  const known = new Set([...selects.map((selector) => selector.split('=')[0] ?? ''), ...parameters]);
  for (const name of request.parameters.keys()) {
    // S3 keeps parameters that start with x- for its callers' own notes; SDKs name the operation in x-id.
    const isNote = /^x-(?!amz-)/i.test(name);
    if (!known.has(name) && !isNote) throw new S3Error('NotImplemented', undefined, { ArgumentName: name });
  }
}

function assertHeadersKnown({ headers = [] }: Operation, request: S3Request): void {
  for (const [name, value] of request.headers) {
    if (!name.startsWith('x-amz-')) continue;
    const known = [...ALWAYS_OBEYED, ...headers].some(
      (header) => header === name || (header.endsWith('-') && name.startsWith(header)),
    );
    const allowed = ONLY_VALUES[name];
    if (!known || (allowed !== undefined && !allowed.includes(value)))
      throw new S3Error('NotImplemented', undefined, { Header: name });
  }
  for (const name of ['x-amz-expected-bucket-owner', 'x-amz-source-expected-bucket-owner']) {
    if ((request.headers.get(name) ?? OWNER_ID) !== OWNER_ID) throw new S3Error('AccessDenied');
  }
}
