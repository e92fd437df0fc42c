/** A browser's way in and out. */
import { SessionRequest, SessionView } from '../documents/session.ts';
import { isoTime } from '../item-view.ts';
import { RequestError } from '../problem.ts';
import { type Caller, defineRoute, type Route } from '../route.ts';
import { noSessionCookie, sessionCookie } from '../session-cookie.ts';
import type { Tokens } from '../tokens.ts';

export function sessionRoutes(tokens: Tokens): Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/session',
      summary: 'Exchange a token for a cookie.',
      access: 'open',
      body: SessionRequest,
      maxBodyBytes: 4096,
      answers: { 200: { description: 'The cookie is set.', schema: SessionView } },
      async handle({ body: { token }, isLoopback }) {
        const opened = tokens.openSession(token);
        if (opened === null) throw new RequestError('UNAUTHENTICATED', 'the token is not one of this server');
        const { cookie, session } = opened;
        return {
          status: 200,
          json: { authenticated: true, by: 'session', expires_at: isoTime(session.expiresAtMs) },
          headers: { 'set-cookie': sessionCookie(cookie, isLoopback) },
        };
      },
    }),

    defineRoute({
      method: 'get',
      path: '/session',
      summary: 'Who is asking.',
      access: 'open',
      answers: { 200: { description: 'Whether somebody is known.', schema: SessionView } },
      async handle({ caller }) {
        const authenticated = tokens.isOpen || caller.by !== 'none';
        return { status: 200, json: { authenticated, by: caller.by, expires_at: expiryOf(caller) } };
      },
    }),

    defineRoute({
      method: 'delete',
      path: '/session',
      summary: 'Forget the cookie.',
      access: 'open',
      answers: { 204: { description: 'It is forgotten.' } },
      async handle({ isLoopback }) {
        return { status: 204, headers: { 'set-cookie': noSessionCookie(isLoopback) } };
      },
    }),
  ];
}

const expiryOf = (caller: Caller): string | null => (caller.by === 'session' ? isoTime(caller.expiresAtMs) : null);
