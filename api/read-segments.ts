/** The segments that a request asks for: inline, or from a document elsewhere. */
import type { Readable } from 'node:stream';
import { MillraceError } from '../errors.ts';
import type { Parsed } from '../manifests/parse.ts';
import { parseSegments, parseSegmentsValue, type Segments } from '../manifests/segments.ts';
import { formatUri, type ObjectUri, parseUri, withoutQuery } from '../storage/uri.ts';
import type { SegmentRequest } from './documents/segment-request.ts';
import { keyInJob, SEGMENTS_KEYS } from './job-places.ts';
import type { ApiParts } from './parts.ts';
import { rejectedRequest } from './problem.ts';
import { openPublic, publicUrl } from './public-object.ts';
import { isNamedBucket, notAllowed } from './uri-access.ts';

export interface ReadSegments {
  readonly count: number;
  /** What is to be written as segments.json; null where it lies at its own place already. */
  readonly text: string | null;
}

/** Throws RequestError for segments that are none, and MillraceError where they cannot be read. */
export async function readSegments(parts: ApiParts, request: SegmentRequest, signal: AbortSignal): Promise<ReadSegments> {
  const { maxSegments } = parts.planner.settings;
  if (request.segments !== undefined) {
    const { segments } = accepted(parseSegmentsValue({ segments: request.segments }, maxSegments), 'segments');
    return { count: segments.length, text: `${JSON.stringify({ segments }, null, 2)}\n` };
  }
  const given = request.segments_uri ?? '';
  const uri = parseUri(given);
  const body = 'key' in uri ? await openObject(parts, uri, signal) : await openWeb(parts, uri.url, signal);
  const text = await readText(body, parts.planner.settings.maxManifestBytes, withoutQuery(given));
  const { segments } = accepted(parseSegments(text, maxSegments), 'the document of segments_uri');
  const own = 'key' in uri ? keyInJob(parts.planner, request.job_id, uri) : null;
  const isInPlace = SEGMENTS_KEYS.some((key) => key === own);
  return { count: segments.length, text: isInPlace ? null : text };
}

function accepted(parsed: Parsed<Segments>, what: string): Segments {
  if (parsed.ok) return parsed.value;
  throw rejectedRequest(parsed, what);
}

async function openObject(parts: ApiParts, uri: ObjectUri, signal: AbortSignal): Promise<Readable> {
  const label = formatUri(uri);
  if (parts.hasCredentials && isNamedBucket(parts, uri)) {
    const found = await parts.storeFor(uri.scheme, uri.bucket).get(uri.key, { signal });
    if (found === null) throw new MillraceError('SOURCE_MISSING', `segments_uri: ${label} is not there`);
    return found.body;
  }
  const url = publicUrl(parts.publicAddress, uri);
  if (url === undefined || parts.publicAddress === undefined) throw notAllowed('segments_uri', label);
  return openPublic(parts.publicAddress, url, `segments_uri: ${label}`, signal);
}

async function openWeb({ fetch }: ApiParts, url: string, signal: AbortSignal): Promise<Readable> {
  const { status, body } = await fetch.request(url, { signal });
  if (status === 200) return body;
  body.destroy();
  const label = `segments_uri: ${new URL(url).host}`;
  if (status === 404 || status === 410) throw new MillraceError('SOURCE_MISSING', `${label} has no such document (${status})`);
  if (status === 401 || status === 403) throw new MillraceError('SOURCE_FORBIDDEN', `${label} does not give it away (${status})`);
  throw new MillraceError('SOURCE_UNREACHABLE', `${label} answered ${status}`);
}

async function readText(body: Readable, mostBytes: number, label: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostBytes) {
        throw new MillraceError('MANIFEST_TOO_LARGE', `segments_uri: ${label} has more than ${mostBytes} bytes`, {
          fix: 'Make it shorter, or have the operator raise MILLRACE_MAX_MANIFEST_BYTES.',
        });
      }
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError('SOURCE_UNREACHABLE', `segments_uri: ${label} could not be read to its end`, { cause });
  } finally {
    body.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}
