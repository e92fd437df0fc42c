/** ListObjectsV2, ListObjects, ListParts, ListMultipartUploads. */
import { z } from 'zod';
import { formEncode } from './form-encoding.ts';
import { type ListPage, type ListPosition, listPage } from './listing.ts';
import { OWNER_ID } from './notifications.ts';
import type { StoredObject } from './objects.ts';
import type { ObjectCall } from './operation.ts';
import { checksumElements, document, isoDate, quoted, type S3Response } from './response.ts';
import { S3Error } from './s3-error.ts';
import type { XmlTree } from './xml.ts';

const MAX_PAGE = 1000;
const OWNER = { ID: OWNER_ID, DisplayName: 'millrace' };

type Encode = (text: string) => string;

function encoder({ request }: ObjectCall): Encode {
  const type = request.parameters.get('encoding-type');
  if (type === undefined) return (text) => text;
  if (type !== 'url') throw invalid('encoding-type', type, 'Invalid Encoding Method specified in Request');
  return formEncode;
}

function limit({ request }: ObjectCall, name: string): number {
  const text = request.parameters.get(name);
  if (text === undefined || text === '') return MAX_PAGE;
  if (!/^\d{1,10}$/.test(text)) throw invalid(name, text, `Provided ${name} not an integer or within integer range`);
  return Math.min(MAX_PAGE, Number(text));
}

function invalid(name: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', message, { ArgumentName: name, ArgumentValue: value });
}

function page(call: ObjectCall, position: ListPosition): ListPage {
  const { state, request, bucket } = call;
  state.objects.assertBucket(bucket);
  const prefix = request.parameters.get('prefix') ?? '';
  const delimiter = request.parameters.get('delimiter') ?? '';
  return listPage(state.database, { bucket, prefix, delimiter, ...position, maxKeys: limit(call, 'max-keys') });
}

function contents({ request }: ObjectCall, { objects, commonPrefixes }: ListPage, encode: Encode, withOwner: boolean): XmlTree {
  const describe = (object: StoredObject): XmlTree => ({
    Key: encode(object.key),
    LastModified: isoDate(object.modifiedMs),
    ETag: quoted(object.etag),
    ...(object.checksum === undefined
      ? {}
      : { ChecksumAlgorithm: object.checksum.algorithm, ChecksumType: object.checksum.type }),
    Size: object.sizeBytes,
    ...(withOwner ? { Owner: OWNER } : {}),
    StorageClass: 'STANDARD',
  });
  const delimiter = request.parameters.get('delimiter');
  return {
    Prefix: encode(request.parameters.get('prefix') ?? ''),
    Delimiter: delimiter === undefined || delimiter === '' ? undefined : encode(delimiter),
    EncodingType: request.parameters.get('encoding-type'),
    Contents: objects.map(describe),
    CommonPrefixes: commonPrefixes.map((prefix) => ({ Prefix: encode(prefix) })),
  };
}

export async function listObjectsV2(call: ObjectCall): Promise<S3Response> {
  const { request, bucket } = call;
  const encode = encoder(call);
  const token = request.parameters.get('continuation-token');
  const startAfter = request.parameters.get('start-after') ?? '';
  const found = page(call, token === undefined ? { after: startAfter, skipBelow: false } : readToken(token));
  return document('ListBucketResult', {
    Name: bucket,
    StartAfter: startAfter === '' ? undefined : encode(startAfter),
    ContinuationToken: token,
    NextContinuationToken: found.next === undefined ? undefined : writeToken(found.next),
    KeyCount: found.objects.length + found.commonPrefixes.length,
    MaxKeys: limit(call, 'max-keys'),
    IsTruncated: found.next !== undefined,
    ...contents(call, found, encode, request.parameters.get('fetch-owner') === 'true'),
  });
}

/** The first version of the operation, which some tools still use. */
export async function listObjects(call: ObjectCall): Promise<S3Response> {
  const { request, bucket } = call;
  const encode = encoder(call);
  const marker = request.parameters.get('marker') ?? '';
  const delimiter = request.parameters.get('delimiter') ?? '';
  // A marker may be a common prefix that the last page ended with: what lies beneath it has been told of.
  const skipBelow = delimiter !== '' && marker.endsWith(delimiter);
  const found = page(call, { after: marker, skipBelow });
  return document('ListBucketResult', {
    Name: bucket,
    Marker: encode(marker),
    NextMarker: found.next === undefined || delimiter === '' ? undefined : encode(found.next.after),
    MaxKeys: limit(call, 'max-keys'),
    IsTruncated: found.next !== undefined,
    ...contents(call, found, encode, true),
  });
}

const Token = z.tuple([z.string(), z.boolean()]);

function writeToken({ after, skipBelow }: ListPosition): string {
  return Buffer.from(JSON.stringify([after, skipBelow])).toString('base64url');
}

function readToken(token: string): ListPosition {
  try {
    const [after, skipBelow] = Token.parse(JSON.parse(Buffer.from(token, 'base64url').toString('utf8')));
    return { after, skipBelow };
  } catch {
    throw invalid('continuation-token', token, 'The continuation token provided is incorrect');
  }
}

export async function listParts(call: ObjectCall): Promise<S3Response> {
  const { state, request, bucket, key } = call;
  state.objects.assertBucket(bucket);
  const upload = state.uploads.get(request.parameters.get('uploadId') ?? '', bucket, key);
  const maxParts = limit(call, 'max-parts');
  const marker = request.parameters.get('part-number-marker') ?? '0';
  if (!/^\d{1,5}$/.test(marker)) throw invalid('part-number-marker', marker, 'Provided part-number-marker not an integer');
  const found = state.uploads.parts(upload.id, Number(marker), maxParts + 1);
  const parts = found.slice(0, maxParts);
  return document('ListPartsResult', {
    Bucket: bucket,
    Key: key,
    UploadId: upload.id,
    Initiator: OWNER,
    Owner: OWNER,
    StorageClass: 'STANDARD',
    PartNumberMarker: Number(marker),
    NextPartNumberMarker: parts.at(-1)?.number,
    MaxParts: maxParts,
    IsTruncated: found.length > parts.length && maxParts > 0,
    ChecksumAlgorithm: upload.checksumAlgorithm,
    ChecksumType: upload.checksumAlgorithm === undefined ? undefined : upload.checksumType,
    Part: parts.map((part) => {
      const { ChecksumType: _, ...checksums } = checksumElements(part);
      return {
        PartNumber: part.number,
        LastModified: isoDate(part.modifiedMs),
        ETag: quoted(part.etag),
        Size: part.sizeBytes,
        ...checksums,
      };
    }),
  });
}

export async function listMultipartUploads(call: ObjectCall): Promise<S3Response> {
  const { state, request, bucket } = call;
  state.objects.assertBucket(bucket);
  const encode = encoder(call);
  const maxUploads = limit(call, 'max-uploads');
  const prefix = request.parameters.get('prefix') ?? '';
  const keyMarker = request.parameters.get('key-marker') ?? '';
  const idMarker = request.parameters.get('upload-id-marker') ?? '';
  // Without an upload's id the marker stands for all uploads of its key; ids are hex, so this is behind them all.
  const isBehindPrefix = Buffer.compare(Buffer.from(keyMarker), Buffer.from(prefix)) >= 0 && keyMarker !== '';
  const from = isBehindPrefix ? { key: keyMarker, id: idMarker === '' ? '~' : idMarker } : { key: prefix, id: '' };
  const found = state.uploads.list(bucket, from, maxUploads + 1).filter(({ key }) => key.startsWith(prefix));
  const uploads = found.slice(0, maxUploads);
  const truncated = found.length > uploads.length && maxUploads > 0;
  return document('ListMultipartUploadsResult', {
    Bucket: bucket,
    KeyMarker: encode(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: truncated ? encode(uploads.at(-1)?.key ?? '') : undefined,
    NextUploadIdMarker: truncated ? uploads.at(-1)?.id : undefined,
    EncodingType: request.parameters.get('encoding-type'),
    Prefix: encode(prefix),
    MaxUploads: maxUploads,
    IsTruncated: truncated,
    Upload: uploads.map(({ key, id, initiatedMs }) => ({
      Key: encode(key),
      UploadId: id,
      Initiator: OWNER,
      Owner: OWNER,
      StorageClass: 'STANDARD',
      Initiated: isoDate(initiatedMs),
    })),
  });
}
