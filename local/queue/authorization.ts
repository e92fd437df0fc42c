/** Checks a request's Signature Version 4 against the one access key that this queue knows. */
import type { IncomingMessage } from 'node:http';
import {
  ALGORITHM,
  type CredentialScope,
  canonicalRequest,
  sha256Hex,
  signatureOf,
  signingKey,
  stringToSign,
  timingSafeEqualText,
} from '../sigv4.ts';
import { SqsFault } from './faults.ts';
import { MAX_CLOCK_SKEW_MS } from './limits.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

interface Authorization {
  readonly accessKeyId: string;
  readonly scope: CredentialScope;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const SERVICE = 'sqs';
const AMZ_DATE = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;

/** Throws MissingAuthenticationToken, IncompleteSignature, InvalidClientTokenId, SignatureDoesNotMatch. */
export function checkAuthorization(request: IncomingMessage, body: Buffer, credentials: Credentials, nowMs: number): void {
  const { accessKeyId, scope, signedHeaders, signature } = parseAuthorization(request.headers.authorization);
  const header = (name: string) => request.headersDistinct[name] ?? [];
  const amzDate = header('x-amz-date')[0] ?? '';
  if (!timingSafeEqualText(accessKeyId, credentials.accessKeyId)) {
    throw new SqsFault('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  checkTime(amzDate, scope, nowMs);
  if (scope.region !== credentials.region || scope.service !== SERVICE) {
    throw mismatch(`Credential should be scoped to region ${credentials.region} and service ${SERVICE}.`);
  }
  // What is not signed could be changed on the way.
  const unsigned = ['host', 'x-amz-date', 'x-amz-target'].find((name) => !signedHeaders.includes(name));
  if (unsigned !== undefined) throw mismatch(`'${unsigned}' must be a signed header.`);
  const url = new URL(request.url ?? '/', 'http://queue');
  const canonical = canonicalRequest({
    method: request.method ?? '',
    path: url.pathname,
    pathEncoding: 'encoded-again',
    query: [...url.searchParams],
    header,
    signedHeaders,
    payloadHash: sha256Hex(body),
  });
  const wanted = signatureOf(signingKey(credentials.secretAccessKey, scope), stringToSign(amzDate, scope, canonical));
  if (!timingSafeEqualText(signature, wanted)) {
    throw mismatch(
      'The request signature we calculated does not match the signature you provided. Check your secret access key and signing method.',
    );
  }
}

function parseAuthorization(value: string | undefined): Authorization {
  if (value === undefined) throw new SqsFault('MissingAuthenticationTokenException', 'Request is missing Authentication Token');
  const fields = new Map(
    value
      .slice(ALGORITHM.length)
      .split(',')
      .map((field) => {
        const [name = '', ...rest] = field.trim().split('=');
        return [name, rest.join('=')] as const;
      }),
  );
  const [accessKeyId, date, region, service, terminator, ...more] = (fields.get('Credential') ?? '').split('/');
  const signedHeaders = fields.get('SignedHeaders');
  const signature = fields.get('Signature');
  const complete =
    value.startsWith(`${ALGORITHM} `) &&
    accessKeyId !== undefined &&
    date !== undefined &&
    region !== undefined &&
    service !== undefined &&
    terminator === 'aws4_request' &&
    more.length === 0;
  if (!complete || signedHeaders === undefined || signature === undefined) {
    throw new SqsFault(
      'IncompleteSignatureException',
      `Authorization header requires ${ALGORITHM} with Credential=<key>/<date>/<region>/${SERVICE}/aws4_request, SignedHeaders and Signature.`,
    );
  }
  return { accessKeyId, scope: { date, region, service }, signedHeaders: signedHeaders.split(';'), signature };
}

function checkTime(amzDate: string, scope: CredentialScope, nowMs: number): void {
  const [, year, month, day, hour, minute, second] = AMZ_DATE.exec(amzDate) ?? [];
  const signedAtMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(signedAtMs)) {
    throw new SqsFault('IncompleteSignatureException', 'Date must be in ISO-8601 basic format, in the header x-amz-date.');
  }
  if (!amzDate.startsWith(scope.date)) throw mismatch('Date in Credential scope does not match the date of x-amz-date.');
  if (Math.abs(nowMs - signedAtMs) > MAX_CLOCK_SKEW_MS) {
    throw mismatch(
      `Signature expired: ${amzDate} is more than ${MAX_CLOCK_SKEW_MS / 60_000} minutes away from this machine's time.`,
    );
  }
}

function mismatch(message: string): SqsFault {
  return new SqsFault('InvalidSignatureException', message);
}
