/** The headers of a write that are kept with the object and given back by every read. */
import { validateHeaderValue } from 'node:http';
import type { Headers } from './conditions.ts';
import { S3Error } from './s3-error.ts';

const KEPT = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-type', 'expires'] as const;
const METADATA_PREFIX = 'x-amz-meta-';
const MAX_METADATA_BYTES = 2048;
const DEFAULT_CONTENT_TYPE = 'binary/octet-stream';

export interface DescribedBy {
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
}

export function readObjectHeaders(request: Headers): DescribedBy {
  const headers: Record<string, string> = { 'content-type': DEFAULT_CONTENT_TYPE };
  for (const name of KEPT) {
    const value = name === 'content-encoding' ? withoutChunking(request.get(name)) : request.get(name);
    if (value !== undefined && value !== '') headers[name] = value;
  }
  const metadata: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of request) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    const bare = name.slice(METADATA_PREFIX.length);
    bytes += bare.length + value.length;
    metadata[bare] = value;
  }
  if (bytes > MAX_METADATA_BYTES) {
    throw new S3Error('MetadataTooLarge', undefined, { Size: String(bytes), MaxSizeAllowed: String(MAX_METADATA_BYTES) });
  }
  return { headers, metadata };
}

/** `aws-chunked` tells how the body travelled, not what it is. */
function withoutChunking(encoding: string | undefined): string | undefined {
  return encoding
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== 'aws-chunked')
    .join(',');
}

export function metadataHeaders(metadata: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`${METADATA_PREFIX}${name}`, value]));
}

/** `response-content-type=` and its kin in the query of a read. */
export function responseOverrides(parameters: ReadonlyMap<string, string>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of KEPT) {
    const value = parameters.get(`response-${name}`);
    if (value === undefined) continue;
    try {
      validateHeaderValue(name, value);
    } catch {
      throw new S3Error('InvalidArgument', 'A header value cannot hold these characters.', { ArgumentName: `response-${name}` });
    }
    headers[name] = value;
  }
  return headers;
}

export const RESPONSE_OVERRIDES: readonly string[] = KEPT.map((name) => `response-${name}`);
