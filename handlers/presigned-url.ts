/** What can be told from a presigned URL, and from the answer to one, without keeping either. */
import type { Readable } from 'node:stream';

/** S3 says `Request has expired`, `ExpiredToken`; Google `ExpiredToken` and `Invalid argument … expired`; Azure `Signature not valid in the specified time frame`. */
const EXPIRED = /expired|expiredtoken|not valid in the specified time frame/i;

/** Statuses that stores answer with where a signature no longer counts. */
export const REFUSAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403]);

export function isExpired(url: string, answerText: string, nowMs: number): boolean {
  const expiresMs = expiryMs(url);
  return EXPIRED.test(answerText) || (expiresMs !== undefined && expiresMs <= nowMs);
}

const SIGNATURE_PARAMETERS = /^(x-amz-|x-goog-)|^(signature|expires|awsaccesskeyid|googleaccessid|key-pair-id|policy)$/i;

/** The same URL for every signing of the same object: two signatures of one master are one source. */
export function withoutSignature(uri: string): string {
  const url = /^https?:/i.test(uri) ? URL.parse(uri) : null;
  if (url === null) return uri;
  const kept = [...url.searchParams].filter(([name]) => !SIGNATURE_PARAMETERS.test(name));
  url.search = new URLSearchParams(kept).toString();
  return url.href;
}

/** When the signature in `url` runs out, in milliseconds since 1970; `undefined` where it holds none that is known. */
export function expiryMs(url: string): number | undefined {
  const query = URL.parse(url)?.searchParams;
  if (query === undefined) return undefined;
  for (const prefix of ['X-Amz', 'X-Goog']) {
    const signedMs = compactDateMs(query.get(`${prefix}-Date`));
    const seconds = Number(query.get(`${prefix}-Expires`) ?? Number.NaN);
    if (signedMs !== undefined && Number.isFinite(seconds)) return signedMs + seconds * 1000;
  }
  const epochSeconds = query.get('Expires');
  return epochSeconds !== null && /^\d{9,11}$/.test(epochSeconds) ? Number(epochSeconds) * 1000 : undefined;
}

/** `20260131T235959Z` */
function compactDateMs(text: string | null): number | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '') ?? [];
  if (second === undefined) return undefined;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const MAX_ANSWER_BYTES = 4096;

/** The beginning of an error's body, and the body out of the way. Never throws. */
export async function answerText(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status has been read already; the text only helps to explain it.
  }
  body.destroy();
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8');
}
