/** One POST to an address that somebody else named, behind the same guard as every input. Never follows a redirect. */
import { asMillraceError, MillraceError } from '../errors.ts';
import { createGuardedFetch, type GuardedFetchOptions } from './guarded-fetch.ts';

export interface PostRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type PostOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs?: number }
  /** No answer, or none in time: it may have been taken all the same. */
  | { readonly kind: 'unreachable'; readonly error: MillraceError }
  /** The guard refuses the address; nothing was sent. */
  | { readonly kind: 'refused'; readonly error: MillraceError };

/** Never rejects. */
export type GuardedPost = (request: PostRequest) => Promise<PostOutcome>;

export interface GuardedPostOptions extends Pick<GuardedFetchOptions, 'allowHosts' | 'resolve'> {
  /** From the look-up of the name to the answer's headers. */
  readonly timeoutMs: number;
  readonly now: () => number;
}

/** A server that lets callers wait is not called for so long: whoever has many things to tell it would wait for each of them. */
const REST_MS = 30_000;
/** Servers that are remembered to rest; beyond, the oldest are called again. */
const MAX_RESTING = 1_000;

/** Throws CONFIG_INVALID for a host to allow that is none. */
export function createGuardedPost({ timeoutMs, now, ...options }: GuardedPostOptions): GuardedPost {
  const fetch = createGuardedFetch({ ...options, connectTimeoutMs: timeoutMs, idleTimeoutMs: timeoutMs });
  const restsUntilMs = new Map<string, number>();
  return async ({ url, headers, body }) => {
    const origin = URL.parse(url)?.origin ?? '';
    if ((restsUntilMs.get(origin) ?? 0) > now()) return silent(`${origin} did not answer a moment ago, so it was not called`);
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch.request(url, { method: 'POST', headers, body, signal: timeout });
      // Unread: whoever names an address must not get to see what answers there.
      response.body.on('error', () => {}).destroy();
      const retryAfterMs = parseRetryAfter(response.headers['retry-after'], now());
      return { kind: 'answered', status: response.status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    } catch (thrown) {
      const error = asMillraceError(thrown);
      if (error.code === 'SOURCE_REFUSED' || error.code === 'URI_INVALID') return { kind: 'refused', error };
      if (!timeout.aborted) return { kind: 'unreachable', error };
      const [oldest] = restsUntilMs.keys();
      if (oldest !== undefined && restsUntilMs.size >= MAX_RESTING) restsUntilMs.delete(oldest);
      restsUntilMs.set(origin, now() + REST_MS);
      return silent(`${origin} did not answer within ${timeoutMs} ms`);
    }
  };
}

const silent = (message: string): PostOutcome => ({
  kind: 'unreachable',
  error: new MillraceError('DESTINATION_UNREACHABLE', message),
});

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
