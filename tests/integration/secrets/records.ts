/** What a test run writes down about itself, and how secrets are found in it. */

/** Something that people or other programs read. */
export interface Printed {
  /** `log`, `error`, `answer`, `body`, `stdout`, `stderr` */
  readonly kind: string;
  /** The test, or the path of the request. */
  readonly about: string;
  readonly text: string;
}

export interface Recorded extends Printed {
  /** The process or the test file. */
  readonly source: string;
}

export type Recorder = (recorded: Printed & { readonly source?: string }) => void;

/** Where a process's recorder is, while a run is recorded. */
export const RECORDER = Symbol.for('millrace.test-recorder');

/** Shorter ones are words of tests ("bench"), and would be found everywhere. */
export const LEAST_SECRET_CHARACTERS = 16;

const SECRET_PARAMETERS = /^(x-amz-signature|x-goog-signature|x-amz-security-token|signature|token|access_token)$/i;

/** As they stand in the URL and as they read. */
export function secretsOfUrl(url: string): string[] {
  const query = url.slice(url.indexOf('?') + 1);
  if (query === url) return [];
  return query.split('&').flatMap((pair) => {
    const [name = '', value = ''] = pair.split('=', 2);
    return SECRET_PARAMETERS.test(name) ? [...new Set([value, decoded(value)])] : [];
  });
}

export function secretsOfAuthorization(header: unknown): string[] {
  if (typeof header !== 'string') return [];
  const [, signature] = /\bSignature=([^,\s]+)/.exec(header) ?? [];
  if (signature !== undefined) return [signature];
  return [header.replace(/^(Bearer|Basic)\s+/i, '')];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export interface Finding {
  readonly source: string;
  readonly kind: string;
  readonly about: string;
  /** What was found, never the thing itself. */
  readonly what: string;
  /** The line with every secret in it blotted out. */
  readonly line: string;
}

/** What looks like a secret although no request carried it. What follows `=` must not be a mark that something was cut off. */
const PATTERNS: readonly (readonly [string, RegExp])[] = [
  ['the signature of a presigned URL', /X-(?:Amz|Goog)-Signature=(?!…|\[|<|\$)[^&\s"']{8,}/gi],
  ['an Authorization header', /\bauthorization["']?\s*[:=]\s*["']?(?:Bearer |Basic |AWS4-HMAC|rpa_)[^\s"']{8,}/gi],
  ['a bearer token', /\bBearer [\w.~+/-]{16,}=*/g],
];

const A_KEY = 'a key or token that was used';

const HEX_SIGNATURE = /^[0-9a-f]{64,}$/;
const HEX_RUN = /[0-9a-f]{16,}/g;
/** A line that was cut short still shows how a signature begins. */
const HEX_PREFIX_CHARACTERS = 16;
const MAX_SHOWN_CHARACTERS = 300;

export interface Searcher {
  /** What of the secrets is in the text. */
  search(recorded: Recorded): Finding[];
}

/** Signatures are many and all alike, so they are looked up; the few other secrets are looked for one by one. */
export function createSearcher(secrets: ReadonlySet<string>): Searcher {
  const prefixes = new Set(
    [...secrets].filter((text) => HEX_SIGNATURE.test(text)).map((text) => text.slice(0, HEX_PREFIX_CHARACTERS)),
  );
  const others = [...secrets].filter((text) => !HEX_SIGNATURE.test(text));
  const found = (text: string): { what: string; value: string }[] => [
    ...(text.match(HEX_RUN) ?? []).filter(holdsPrefix).map((value) => ({ what: 'a signature that was used', value })),
    ...others.filter((value) => text.includes(value)).map((value) => ({ what: A_KEY, value })),
    ...PATTERNS.flatMap(([what, pattern]) => (text.match(pattern) ?? []).map((value) => ({ what, value }))),
  ];
  function holdsPrefix(run: string): boolean {
    for (let at = 0; at + HEX_PREFIX_CHARACTERS <= run.length; at++) {
      if (prefixes.has(run.slice(at, at + HEX_PREFIX_CHARACTERS))) return true;
    }
    return false;
  }
  return {
    search({ source, kind, about, text }) {
      const all = found(text);
      const [first] = all;
      if (first === undefined) return [];
      const line = all.reduce((shown, { value }) => shown.replaceAll(value, '‹secret›'), text).slice(0, MAX_SHOWN_CHARACTERS);
      return [{ source, kind, about, what: first.what, line }];
    },
  };
}
