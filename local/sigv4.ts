/**
 * AWS Signature Version 4, the arithmetic only: pure functions of what was received, for any service.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const ALGORITHM = 'AWS4-HMAC-SHA256';

export interface RequestToSign {
  readonly method: string;
  /** The path as it is on the wire: percent-encoded, without the query. */
  readonly path: string;
  /** Every service but S3 signs the encoded path encoded once more. */
  readonly pathEncoding: 'as-sent' | 'encoded-again';
  /** Decoded names and values, in any order; a presigned request's own `X-Amz-Signature` left out. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Decoded values of one header, in the order received; names are asked for in lower case. */
  readonly header: (name: string) => readonly string[];
  /** In lower case and sorted, as in the Authorization header. */
  readonly signedHeaders: readonly string[];
  /** Hex SHA-256 of the body, or the literal that S3 allows in its place. */
  readonly payloadHash: string;
}

export interface CredentialScope {
  /** `20261104` */
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export function canonicalRequest(request: RequestToSign): string {
  const query = request.query
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .toSorted(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const headers = request.signedHeaders.map((name) => `${name}:${request.header(name).map(trimmed).join(',')}\n`).join('');
  const path = request.pathEncoding === 'as-sent' ? request.path : request.path.split('/').map(uriEncode).join('/');
  return [request.method, path, query, headers, request.signedHeaders.join(';'), request.payloadHash].join('\n');
}

/** `amzDate` is the request's `x-amz-date`: `20261104T101500Z`. */
export function stringToSign(amzDate: string, scope: CredentialScope, canonical: string): string {
  const scopeText = `${scope.date}/${scope.region}/${scope.service}/aws4_request`;
  return [ALGORITHM, amzDate, scopeText, sha256Hex(canonical)].join('\n');
}

export function signingKey(secretAccessKey: string, scope: CredentialScope): Buffer {
  return [scope.date, scope.region, scope.service, 'aws4_request'].reduce<Buffer>(
    (key, part) => createHmac('sha256', key).update(part).digest(),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
}

/** Lower-case hex. */
export function signatureOf(key: Buffer, toSign: string): string {
  return createHmac('sha256', key).update(toSign).digest('hex');
}

/** Comparing hashes of both hides their lengths as well as where they differ. */
export function timingSafeEqualText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Percent-encodes all but RFC 3986's unreserved characters. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** By code unit, which for the ASCII of encoded text is by byte. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function trimmed(value: string): string {
  return value.trim().replaceAll(/ {2,}/g, ' ');
}
