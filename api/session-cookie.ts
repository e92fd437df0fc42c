/** The cookie of a browser's session. */
import { SESSION_SECONDS } from './tokens.ts';

export const SESSION_COOKIE = 'millrace_session';

/** Never readable by scripts, never sent from other sites' pages, and by TLS alone unless it stays on this machine. */
export function sessionCookie(value: string, isLoopback: boolean): string {
  return `${SESSION_COOKIE}=${value}; Max-Age=${SESSION_SECONDS}; ${attributes(isLoopback)}`;
}

export function noSessionCookie(isLoopback: boolean): string {
  return `${SESSION_COOKIE}=; Max-Age=0; ${attributes(isLoopback)}`;
}

const attributes = (isLoopback: boolean): string => `Path=/; HttpOnly; SameSite=Strict${isLoopback ? '' : '; Secure'}`;
