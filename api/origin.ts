/** Whether a request comes from a page of this very server: a cookie goes with requests of others too, and loopback is everybody's. */
import { isIP } from 'node:net';
import { RequestError } from './problem.ts';

/** The host name of a `Host` header, without port and brackets; `null` where it is none. */
export function hostName(host: string | null): string | null {
  const url = host === null || /[/\\?#@\s]/.test(host) ? null : URL.parse(`http://${host}`);
  return url === null ? null : url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}

/** True for an address or a name of this machine itself. */
export function isLoopbackHost(name: string): boolean {
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === '::1' || name === 'localhost' || name.endsWith('.localhost');
}

/**
 * For callers with a cookie: throws ORIGIN_REFUSED unless the browser says that the request comes from this origin. What says nothing at all is no
 * browser, and has no business with a cookie.
 */
export function requireSameOrigin(headers: Headers): void {
  if (!isSameOrigin(headers, false)) throw refused();
}

/** For open routes and open servers: what comes from no browser may pass. */
export function refuseOtherOrigins(headers: Headers): void {
  if (!isSameOrigin(headers, true)) throw refused();
}

/** A page of another site could have its name lead to this machine: it would then be of this origin, but under that name. */
export function requireLoopbackName(headers: Headers): void {
  const name = hostName(headers.get('host'));
  if (name === null || !isLoopbackHost(name)) {
    throw new RequestError('ORIGIN_REFUSED', 'this server has no tokens, and is asked under a name that is not loopback', {
      fix: 'Ask it as 127.0.0.1 or localhost, or set MILLRACE_API_TOKENS.',
    });
  }
}

function isSameOrigin(headers: Headers, otherwise: boolean): boolean {
  const site = headers.get('sec-fetch-site');
  // `none`: somebody typed the address.
  if (site !== null) return site === 'same-origin' || (otherwise && site === 'none');
  const origin = headers.get('origin');
  if (origin === null) return otherwise;
  return URL.parse(origin)?.host === headers.get('host')?.toLowerCase();
}

function refused(): RequestError {
  return new RequestError('ORIGIN_REFUSED', 'the request comes from a page of another origin', {
    fix: 'Send a bearer token, or ask from a page of this server.',
  });
}
