/** CopyObject. */
import { parseAlgorithm } from './checksums.ts';
import { assertWriteConditions } from './conditions.ts';
import { copyInto, openCopySource, parseCopySource } from './copy-source.ts';
import { readObjectHeaders } from './object-headers.ts';
import { withIncoming } from './object-operations.ts';
import type { ObjectCall } from './operation.ts';
import { checksumElements, document, isoDate, quoted, type S3Response } from './response.ts';
import { S3Error } from './s3-error.ts';

export async function copyObject(call: ObjectCall): Promise<S3Response> {
  const { state, request, bucket, key, origin } = call;
  state.objects.assertBucket(bucket);
  assertWriteConditions(request.headers);
  const replace = metadataDirective(request.headers.get('x-amz-metadata-directive')) === 'REPLACE';
  const wantedAlgorithm = request.headers.get('x-amz-checksum-algorithm');
  const algorithm = wantedAlgorithm === undefined ? undefined : parseAlgorithm(wantedAlgorithm);
  if (wantedAlgorithm !== undefined && algorithm === undefined) {
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  }
  const from = parseCopySource(request.headers.get('x-amz-copy-source') ?? '');
  if (from.bucket === bucket && from.key === key && !replace) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.",
    );
  }
  const described = replace ? readObjectHeaders(request.headers) : undefined;
  return withIncoming(call, async (path, handle) => {
    const source = openCopySource(call);
    // The copy is one piece, so a checksum of the source's parts does not describe it; one of the whole does.
    const inherited = source.object.checksum;
    const body = await copyInto(source, handle, { algorithm: algorithm ?? inherited?.algorithm });
    const object = state.objects.write({
      bucket,
      key,
      content: {
        path,
        sizeBytes: body.sizeBytes,
        etag: body.md5Hex,
        checksum: body.checksum,
        headers: (described ?? source.object).headers,
        metadata: (described ?? source.object).metadata,
      },
      event: 'ObjectCreated:Copy',
      conditions: request.headers,
      origin,
    });
    return document('CopyObjectResult', {
      LastModified: isoDate(object.modifiedMs),
      ETag: quoted(object.etag),
      ...checksumElements(object),
    });
  });
}

function metadataDirective(value = 'COPY'): 'COPY' | 'REPLACE' {
  if (value === 'COPY' || value === 'REPLACE') return value;
  throw new S3Error('InvalidArgument', 'Unknown metadata directive.', { ArgumentName: 'x-amz-metadata-directive' });
}
