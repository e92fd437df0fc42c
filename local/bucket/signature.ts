/**
 * AWS Signature Version 4, the server's side: the Authorization header and presigned URLs.
 * Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference.
 */

import {
  ALGORITHM,
  type CredentialScope,
  canonicalRequest,
  signatureOf,
  signingKey,
  stringToSign,
  timingSafeEqualText,
  uriEncode,
} from '../sigv4.ts';
import type { HeaderLists, QueryPair } from './request.ts';
import { decodeSegment } from './request.ts';
import { S3Error } from './s3-error.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly method: string;
  readonly rawPath: string;
  readonly query: readonly QueryPair[];
  readonly headers: HeaderLists;
}

/** What the signature says about the body. */
export type PayloadClaim =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'hash'; readonly sha256Hex: string }
  | { readonly kind: 'chunked'; readonly signedChunks: boolean; readonly trailer: boolean };

export interface Authentication {
  readonly presigned: boolean;
  readonly payload: PayloadClaim;
  /** What chunk signatures are chained to. */
  readonly signingKey: Buffer;
  readonly scope: string;
  readonly timestamp: string;
  readonly signature: string;
}

export const MAX_CLOCK_SKEW_MS = 15 * 60_000;
export const MAX_PRESIGNED_SECONDS = 7 * 24 * 3600;

const SHA256_HEX = /^[0-9a-f]{64}$/;

interface Claim {
  readonly presigned: boolean;
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  readonly timestamp: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payloadHash: string;
}

/** Throws the S3Error that AWS would answer with. A request with no signature at all is AccessDenied. */
export function authenticate(request: SignedRequest, credentials: Credentials, nowMs: number): Authentication {
  const claim = request.query.some(([name]) => name === 'X-Amz-Algorithm')
    ? claimInQuery(request, nowMs)
    : claimInHeader(request, nowMs);
  if (!timingSafeEqualText(claim.accessKeyId, credentials.accessKeyId)) throw new S3Error('InvalidAccessKeyId');
  assertHeadersSigned(request.headers, claim.signedHeaders);

  const key = signingKey(credentials.secretAccessKey, claim.scope);
  const toSign = stringToSign(claim.timestamp, claim.scope, canonical(request, claim));
  if (!timingSafeEqualText(signatureOf(key, toSign), claim.signature)) throw new S3Error('SignatureDoesNotMatch');
  return {
    presigned: claim.presigned,
    payload: payloadClaim(claim.payloadHash),
    signingKey: key,
    scope: scopeText(claim.scope),
    timestamp: claim.timestamp,
    signature: claim.signature,
  };
}

function claimInHeader(request: SignedRequest, nowMs: number): Claim {
  const authorization = request.headers.get('authorization')?.[0];
  if (authorization === undefined) throw new S3Error('AccessDenied');
  const match = /^AWS4-HMAC-SHA256\s+Credential=([^\s,]+)\s*,\s*SignedHeaders=([^\s,]+)\s*,\s*Signature=([0-9a-f]{64})\s*$/.exec(
    authorization,
  );
  const [, credentialText = '', signedHeaders = '', signature = ''] = match ?? [];
  if (match === null) {
    if (!authorization.startsWith(`${ALGORITHM} `)) {
      throw new S3Error('InvalidRequest', `The authorization mechanism you have provided is not supported. Use ${ALGORITHM}.`);
    }
    throw new S3Error('AuthorizationHeaderMalformed');
  }
  const credential = parseCredential(credentialText, 'AuthorizationHeaderMalformed');
  if (request.headers.has('x-amz-security-token')) throw new S3Error('InvalidToken');
  const timestamp = headerTimestamp(request.headers);
  const signedAtMs = parseTimestamp(timestamp);
  if (signedAtMs === undefined)
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  if (Math.abs(nowMs - signedAtMs) > MAX_CLOCK_SKEW_MS) {
    throw new S3Error('RequestTimeTooSkewed', undefined, {
      RequestTime: timestamp,
      ServerTime: new Date(nowMs).toISOString(),
      MaxAllowedSkewMilliseconds: String(MAX_CLOCK_SKEW_MS),
    });
  }
  if (!timestamp.startsWith(credential.scope.date)) throw new S3Error('AuthorizationHeaderMalformed', 'Invalid credential date.');
  const payloadHash = request.headers.get('x-amz-content-sha256')?.[0];
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  return { ...credential, presigned: false, timestamp, signedHeaders: signedHeaders.split(';'), signature, payloadHash };
}

function claimInQuery(request: SignedRequest, nowMs: number): Claim {
  const parameter = (name: string): string => {
    const values = request.query.filter(([candidate]) => candidate === name).map(([, value]) => value);
    if (values[0] === undefined || values.length > 1) {
      throw new S3Error('AuthorizationQueryParametersError', `The query must hold ${name} exactly once.`);
    }
    return values[0];
  };
  if (request.headers.has('authorization')) {
    throw new S3Error('InvalidArgument', 'Only one auth mechanism allowed; use the query or the Authorization header.');
  }
  if (parameter('X-Amz-Algorithm') !== ALGORITHM) {
    throw new S3Error('AuthorizationQueryParametersError', `X-Amz-Algorithm only supports "${ALGORITHM}".`);
  }
  const credential = parseCredential(parameter('X-Amz-Credential'), 'AuthorizationQueryParametersError');
  if (request.query.some(([name]) => name === 'X-Amz-Security-Token')) throw new S3Error('InvalidToken');
  const timestamp = parameter('X-Amz-Date');
  const signedAtMs = parseTimestamp(timestamp);
  if (signedAtMs === undefined || !timestamp.startsWith(credential.scope.date)) {
    throw new S3Error(
      'AuthorizationQueryParametersError',
      "X-Amz-Date must be in the ISO8601 long format \"yyyyMMdd'T'HHmmss'Z'\".",
    );
  }
  const expires = parameter('X-Amz-Expires');
  const expiresSeconds = Number(expires);
  if (!/^\d{1,9}$/.test(expires) || expiresSeconds < 1 || expiresSeconds > MAX_PRESIGNED_SECONDS) {
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Expires must be between 1 second and a week (604800 seconds).');
  }
  if (signedAtMs - nowMs > MAX_CLOCK_SKEW_MS) throw new S3Error('AccessDenied', 'Request is not yet valid');
  if (nowMs > signedAtMs + expiresSeconds * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': expires,
      Expires: new Date(signedAtMs + expiresSeconds * 1000).toISOString(),
      ServerTime: new Date(nowMs).toISOString(),
    });
  }
  const signature = parameter('X-Amz-Signature');
  const signedHeaders = parameter('X-Amz-SignedHeaders').split(';');
  const inQuery = request.query.find(([name]) => name.toLowerCase() === 'x-amz-content-sha256')?.[1];
  const payloadHash = inQuery ?? request.headers.get('x-amz-content-sha256')?.[0] ?? 'UNSIGNED-PAYLOAD';
  return { ...credential, presigned: true, timestamp, signedHeaders, signature, payloadHash };
}

function parseCredential(credential: string, code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError') {
  // An access key may hold slashes; the scope behind it is always four parts.
  const match = /^(.+)\/(\d{8})\/([^/]*)\/([^/]*)\/([^/]*)$/.exec(credential);
  const [, accessKeyId = '', date = '', region = '', service = '', terminator = ''] = match ?? [];
  if (match === null || service !== 's3' || terminator !== 'aws4_request') {
    throw new S3Error(code, 'The credential must be <access key>/<date>/<region>/s3/aws4_request.');
  }
  return { accessKeyId, scope: { date, region, service } };
}

/** Amz headers that nobody signed could change what a request means; headers that were signed must be there to be compared. */
function assertHeadersSigned(headers: HeaderLists, signedHeaders: readonly string[]): void {
  const signed = new Set(signedHeaders);
  const unsigned = [...headers.keys()].filter((name) => (name === 'host' || name.startsWith('x-amz-')) && !signed.has(name));
  if (unsigned.length > 0 || !signed.has('host')) {
    throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: unsigned.join(', ') || 'host',
    });
  }
  if (signedHeaders.some((name) => !headers.has(name))) throw new S3Error('SignatureDoesNotMatch');
}

/** S3 signs each part of the path decoded and encoded again, so that any spelling of a key will do. */
function canonical({ method, rawPath, query, headers }: SignedRequest, claim: Claim): string {
  return canonicalRequest({
    method,
    path: rawPath
      .split('/')
      .map((part) => uriEncode(decodeSegment(part)))
      .join('/'),
    pathEncoding: 'as-sent',
    query: query.filter(([name]) => !(claim.presigned && name === 'X-Amz-Signature')),
    header: (name) => headers.get(name) ?? [],
    signedHeaders: claim.signedHeaders,
    payloadHash: claim.payloadHash,
  });
}

const scopeText = ({ date, region, service }: CredentialScope): string => `${date}/${region}/${service}/aws4_request`;

function payloadClaim(value: string): PayloadClaim {
  if (SHA256_HEX.test(value)) return { kind: 'hash', sha256Hex: value };
  switch (value) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'unsigned' };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked', signedChunks: false, trailer: true };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'chunked', signedChunks: true, trailer: false };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'chunked', signedChunks: true, trailer: true };
    default:
      if (value.startsWith('STREAMING-')) throw new S3Error('NotImplemented', undefined, { Header: 'x-amz-content-sha256' });
      throw new S3Error(
        'InvalidArgument',
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- value, or a sha256 in hex.',
      );
  }
}

function headerTimestamp(headers: HeaderLists): string {
  const amzDate = headers.get('x-amz-date')?.[0];
  if (amzDate !== undefined) return amzDate;
  const ms = Date.parse(headers.get('date')?.[0] ?? '');
  return Number.isNaN(ms) ? '' : formatTimestamp(ms);
}

/** `20261122T213326Z` */
export function formatTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

function parseTimestamp(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
