/** Where a guarded request may go: the check of a URL, and the look-up that hands out checked addresses only. */
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { MillraceError } from '../errors.ts';
import { classifyAddress } from './addresses.ts';

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export type ResolveHost = (hostname: string) => Promise<readonly HostAddress[]>;

export const resolveHost: ResolveHost = async (hostname) => {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
};

/** Hosts that are not held to the address rules: `host` for every port, `host:port` for one. */
export type AllowedHosts = ReadonlySet<string>;

/** Throws CONFIG_INVALID for an entry that is no host and no `host:port`. */
export function readAllowedHosts(entries: readonly string[]): AllowedHosts {
  return new Set(
    entries.map((entry) => {
      const url = URL.parse(`ftp://${entry}`);
      if (url === null || url.hostname === '' || /[/\\?#@\s]/.test(entry)) {
        const message = `expected a host or host:port to allow, found ${JSON.stringify(entry)}`;
        throw new MillraceError('CONFIG_INVALID', message);
      }
      // The URL parser leaves a scheme's default port out; ftp's is nobody's here but 21's.
      const port = /:(\d+)$/.exec(entry)?.[1];
      const hostname = comparable(url.hostname);
      return port === undefined ? hostname : `${hostname}:${Number(port)}`;
    }),
  );
}

function isAllowed(url: URL, allowed: AllowedHosts): boolean {
  const hostname = comparable(url.hostname);
  return allowed.has(hostname) || allowed.has(`${hostname}:${portOf(url)}`);
}

/** The URL, if a connection may be tried. Throws SOURCE_REFUSED or URI_INVALID; neither names more than the host. */
export function checkTarget(text: string, allowed: AllowedHosts, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null) throw new MillraceError('URI_INVALID', 'expected a web address, found something that is none');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new MillraceError('SOURCE_REFUSED', `${url.protocol}// is refused: only http and https are read`);
  }
  if (url.username !== '' || url.password !== '') throw refused(url.hostname, 'its address carries a user name or password');
  const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
  // A literal address is connected to without any look-up, so this is the only place to stop it.
  if (isIP(literal) !== 0 && !isAllowed(url, allowed)) {
    const kind = classifyAddress(literal);
    if (kind !== 'public') throw refused(url.hostname, `it is a ${kind} address`);
  }
  url.hash = '';
  return url;
}

/** What may follow a redirect to another origin: nothing that could be a secret. */
const PORTABLE_HEADERS: ReadonlySet<string> = new Set(['accept', 'if-match', 'if-none-match', 'range', 'user-agent']);

/** Where a redirect of `from` leads, and which of the headers (names in lower case) go there. Throws like `checkTarget`. */
export function nextTarget(from: URL, location: string, headers: Readonly<Record<string, string>>, allowed: AllowedHosts) {
  const url = checkTarget(location, allowed, from);
  if (from.protocol === 'https:' && url.protocol === 'http:') throw refused(from.hostname, 'it redirects from https to http');
  if (url.origin === from.origin) return { url, headers };
  return { url, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => PORTABLE_HEADERS.has(name))) };
}

/** A `lookup` for one request: resolves once, and passes on those of the addresses that may be connected to. */
export function checkedLookup(url: URL, allowed: AllowedHosts, resolve: ResolveHost): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (found) => {
        const usable = isAllowed(url, allowed) ? found : found.filter(({ address }) => classifyAddress(address) === 'public');
        const [first] = usable;
        if (first === undefined) {
          const kinds = [...new Set(found.map(({ address }) => classifyAddress(address)))].join(', ');
          callback(refused(url.hostname, kinds === '' ? 'it has no address' : `its address is ${kinds}`), '', 0);
        } else if (options.all === true) {
          callback(null, [...usable]);
        } else {
          callback(null, first.address, first.family);
        }
      },
      (thrown: unknown) => callback(thrown instanceof Error ? thrown : new Error('the look-up failed'), '', 0),
    );
  };
}

/** Without the trailing dot of a fully qualified name; the URL parser has lowered the case. */
function comparable(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, '');
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** The error for a host that is not connected to. */
export function refused(hostname: string, why: string): MillraceError {
  return new MillraceError('SOURCE_REFUSED', `${hostname} is refused: ${why}`, {
    context: { host: hostname },
    fix: 'Where that host is meant, the operator names it in HTTP_ALLOW_HOSTS.',
  });
}
