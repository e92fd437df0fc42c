/** The JSON API's objects.insert: what its three kinds of upload have in common, and the two that are one request. */
import { z } from 'zod';
import { MAX_BODY_BYTES, withIncomingFile } from '../object-operations.ts';
import type { ObjectContent, StoredObject } from '../objects.ts';
import type { S3Response } from '../response.ts';
import { answer, checkGeneration, type GoogleCall, wantedGeneration } from './call.ts';
import type { Described } from './described.ts';
import { GoogleError } from './google-error.ts';
import { KEPT_FIELDS, objectResource } from './object-resource.ts';
import { Arrived, receive, receiveHeld } from './receive.ts';

/** The whole body of a multipart upload is held; what is larger goes in a resumable one. */
const MAX_MULTIPART_BYTES = 64 * 1024 ** 2;

const Resource = z.object({
  name: z.string().optional(),
  contentType: z.string().optional(),
  cacheControl: z.string().optional(),
  contentDisposition: z.string().optional(),
  contentEncoding: z.string().optional(),
  contentLanguage: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  md5Hash: z.string().optional(),
  crc32c: z.string().optional(),
});

/** `text` is the object's resource, or empty. Throws InvalidArgument. */
export function describe(call: GoogleCall, text: string, contentType: string | undefined): Described {
  let document: unknown = {};
  try {
    if (text.trim() !== '') document = JSON.parse(text);
  } catch {
    throw new GoogleError('InvalidArgument', 'Parse Error');
  }
  const parsed = Resource.safeParse(document);
  if (!parsed.success) throw new GoogleError('InvalidArgument', 'The metadata of the object is not valid.');
  const key = call.request.parameters.get('name') ?? parsed.data.name ?? '';
  if (key === '') throw new GoogleError('InvalidArgument', 'Required parameter: name');
  const headers: Record<string, string> = { 'content-type': contentType ?? 'application/octet-stream' };
  for (const [field, header] of Object.entries(KEPT_FIELDS)) {
    const value = parsed.data[field as keyof typeof KEPT_FIELDS];
    if (value !== undefined) headers[header] = value;
  }
  const { metadata = {}, md5Hash, crc32c } = parsed.data;
  return { key, headers, metadata, md5Hash, crc32c, ifGenerationMatch: wantedGeneration(call) };
}

/** Makes what has arrived the object, if its condition holds at this very moment. */
export function store(
  call: GoogleCall,
  described: Described,
  content: Pick<ObjectContent, 'path'>,
  arrived: Arrived,
): StoredObject {
  const { state, bucket, origin } = call;
  const received = arrived.finish();
  const md5Hash = Buffer.from(received.etag, 'hex').toString('base64');
  const differs =
    (described.md5Hash ?? md5Hash) !== md5Hash || (described.crc32c ?? received.checksum?.value) !== received.checksum?.value;
  if (differs) throw new GoogleError('InvalidArgument', 'Provided hash does not match the calculated one.');
  state.objects.assertBucket(bucket);
  checkGeneration(described.ifGenerationMatch, state.objects.find(bucket, described.key));
  return state.objects.write({
    bucket,
    key: described.key,
    content: { headers: described.headers, metadata: described.metadata, ...content, ...received },
    event: 'ObjectCreated:Put',
    conditions: new Map(),
    origin,
  });
}

/** `uploadType=media`: the body is the object. */
export async function insertMedia(call: GoogleCall): Promise<S3Response> {
  const described = describe(call, '', call.request.headers.get('content-type'));
  const object = await withIncomingFile(call.state.files, async (path, handle) => {
    const arrived = new Arrived();
    await receive(call.request, arrived, handle, MAX_BODY_BYTES);
    return store(call, described, { path }, arrived);
  });
  return answer(call, objectResource(call.bucket, object));
}

/** `uploadType=multipart`: a part that describes the object, and a part that is it. */
export async function insertMultipart(call: GoogleCall): Promise<S3Response> {
  const { request, state, bucket } = call;
  const boundary = /;\s*boundary=(?:"([^"]+)"|'([^']+)'|([^\s;]+))/i.exec(request.headers.get('content-type') ?? '');
  const [, double, single, bare] = boundary ?? [];
  const parts = partsOf(await receiveHeld(request, MAX_MULTIPART_BYTES), double ?? single ?? bare ?? '');
  const described = describe(call, parts.resource, parts.contentType);
  const object = await withIncomingFile(state.files, async (path, handle) => {
    const arrived = new Arrived();
    await arrived.take(parts.media, handle);
    return store(call, described, { path }, arrived);
  });
  return answer(call, objectResource(bucket, object));
}

interface Parts {
  readonly resource: string;
  readonly contentType: string | undefined;
  readonly media: Buffer;
}

function partsOf(body: Buffer, boundary: string): Parts {
  const delimiter = `--${boundary}`;
  const second = body.indexOf(`\r\n${delimiter}\r\n`);
  const end = body.lastIndexOf(`\r\n${delimiter}--`);
  const firstHeadEnd = body.indexOf('\r\n\r\n');
  const secondHeadEnd = body.indexOf('\r\n\r\n', second + delimiter.length + 2);
  const isWhole = boundary !== '' && body.indexOf(delimiter) === 0 && firstHeadEnd > 0 && firstHeadEnd < second;
  if (!isWhole || secondHeadEnd === -1 || end < secondHeadEnd + 4 - 2)
    throw new GoogleError('InvalidArgument', 'Malformed multipart body.');
  const head = body.subarray(second, secondHeadEnd).toString('latin1');
  return {
    resource: body.subarray(firstHeadEnd + 4, second).toString('utf8'),
    contentType: /^content-type:\s*(.+?)\s*$/im.exec(head)?.[1],
    media: body.subarray(secondHeadEnd + 4, Math.max(secondHeadEnd + 4, end)),
  };
}
