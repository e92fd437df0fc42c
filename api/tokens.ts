/** The API's tokens, and the sessions that browsers have instead of one. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** How long a session lasts. */
export const SESSION_SECONDS = 12 * 3600;

export interface Session {
  /** Names its token, in the log. */
  readonly id: string;
  readonly expiresAtMs: number;
}

export interface Tokens {
  /** True without any: then nobody is asked for one. */
  readonly isOpen: boolean;
  /** The id of a token, for the log; `null` for what is none. Takes as long whichever it is. */
  idOf(token: string): string | null;
  /** The value of a cookie: signed with the token, and holding nothing of it. `null` for what is no token. */
  openSession(token: string): { readonly cookie: string; readonly session: Session } | null;
  /** `null` for a cookie that was not signed with a token of now, or whose time is over. */
  readSession(cookie: string): Session | null;
}

interface Known {
  readonly id: string;
  readonly digest: Buffer;
  /** Other processes with the same token make and know the same sessions. */
  readonly sessionKey: Buffer;
}

const digestOf = (purpose: string, token: string): Buffer => createHash('sha256').update(`${purpose}\n${token}`).digest();

const COOKIE = /^v1\.(\d{13})\.([0-9a-f]{8})\.([\w-]{43})$/;
const ID_CHARACTERS = 8;

export function createTokens(tokens: readonly string[], now: () => number): Tokens {
  const known: readonly Known[] = tokens.map((token) => ({
    id: digestOf('millrace token id', token).toString('hex').slice(0, ID_CHARACTERS),
    digest: digestOf('millrace token', token),
    sessionKey: digestOf('millrace session', token),
  }));

  function find(token: string): Known | null {
    const digest = digestOf('millrace token', token);
    let found: Known | null = null;
    // Every one is compared, in full: how long it takes tells nothing.
    for (const each of known) if (timingSafeEqual(each.digest, digest)) found = each;
    return found;
  }

  const sign = ({ sessionKey, id }: Known, expiresAtMs: number): string =>
    createHmac('sha256', sessionKey).update(`v1.${expiresAtMs}.${id}`).digest('base64url');

  return {
    isOpen: known.length === 0,
    idOf: (token) => find(token)?.id ?? null,

    openSession(token) {
      const owner = find(token);
      if (owner === null) return null;
      const expiresAtMs = Math.floor(now() / 1000) * 1000 + SESSION_SECONDS * 1000;
      return { cookie: `v1.${expiresAtMs}.${owner.id}.${sign(owner, expiresAtMs)}`, session: { id: owner.id, expiresAtMs } };
    },

    readSession(cookie) {
      const [, expires, id, signature = ''] = COOKIE.exec(cookie) ?? [];
      const expiresAtMs = Number(expires);
      let session: Session | null = null;
      for (const each of known) {
        if (each.id !== id) continue;
        const wanted = Buffer.from(sign(each, expiresAtMs));
        const isRight = timingSafeEqual(wanted, Buffer.from(signature));
        if (isRight && expiresAtMs > now()) session = { id: each.id, expiresAtMs };
      }
      return session;
    },
  };
}
