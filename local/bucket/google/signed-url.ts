/** V4 signed URLs of the XML API, the server's side. Source: "Signatures" and "Canonical requests" in Google's documentation. */
import { verify } from 'node:crypto';
import { canonicalRequest, sha256Hex } from '../../sigv4.ts';
import type { SignedRequest } from '../signature.ts';
import { GoogleError } from './google-error.ts';
import type { ServiceAccount } from './service-account.ts';

const ALGORITHM = 'GOOG4-RSA-SHA256';
const MAX_SECONDS = 7 * 24 * 3600;
/** A URL may be signed by a clock that is a little ahead. */
const MAX_CLOCK_SKEW_MS = 15 * 60_000;

/** Throws what Google answers where the URL is malformed, has run out, or was signed for another request. */
export function checkSignedUrl(request: SignedRequest, { email, publicKey }: ServiceAccount, nowMs: number): void {
  const parameters = new Map(request.query);
  const parameter = (name: string) => parameters.get(`X-Goog-${name}`) ?? '';
  const date = parameter('Date');
  const signedMs = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  const seconds = /^\d{1,7}$/.test(parameter('Expires')) ? Number(parameter('Expires')) : Number.NaN;
  if (parameter('Algorithm') !== ALGORITHM) throw malformed('X-Goog-Algorithm');
  if (!/^\d{8}T\d{6}Z$/.test(date) || Number.isNaN(signedMs)) throw malformed('X-Goog-Date');
  if (!(seconds >= 1 && seconds <= MAX_SECONDS)) throw malformed('X-Goog-Expires');
  if (signedMs > nowMs + MAX_CLOCK_SKEW_MS || signedMs + seconds * 1000 <= nowMs) {
    throw new GoogleError('ExpiredToken', 'The provided token has expired.');
  }
  const scope = `${date.slice(0, 8)}/auto/storage/goog4_request`;
  const signedHeaders = parameter('SignedHeaders').split(';');
  const unsigned = [...request.headers.keys()].find((name) => name.startsWith('x-goog-') && !signedHeaders.includes(name));
  if (unsigned !== undefined) throw malformed(unsigned);
  if (!signedHeaders.includes('host')) throw malformed('host');
  const missing = signedHeaders.find((name) => !request.headers.has(name));
  if (missing !== undefined) throw malformed(missing);
  const signature = Buffer.from(parameter('Signature'), 'hex');
  const fits = hostsOf(request).some((host) => {
    const canonical = canonicalRequest({
      method: request.method,
      path: request.rawPath,
      pathEncoding: 'as-sent',
      query: request.query.filter(([name]) => name !== 'X-Goog-Signature'),
      header: (name) => (name === 'host' ? [host] : (request.headers.get(name) ?? [])),
      signedHeaders,
      payloadHash: 'UNSIGNED-PAYLOAD',
    });
    const toSign = [ALGORITHM, date, scope, sha256Hex(canonical)].join('\n');
    return verify('RSA-SHA256', Buffer.from(toSign), publicKey, signature);
  });
  if (parameter('Credential') !== `${email}/${scope}` || !fits) {
    throw new GoogleError(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    );
  }
}

/** Google's library signs the host without its port, which makes no difference where the port is the usual one. */
function hostsOf({ headers }: SignedRequest): readonly string[] {
  const host = headers.get('host')?.[0] ?? '';
  return [host.replace(/:\d+$/, ''), host];
}

function malformed(name: string): GoogleError {
  return new GoogleError('MalformedSecurityHeader', `Your request has a malformed header: ${name}`);
}
