/** The URIs that manifests, tasks and settings hold: objects (`s3://`, `gs://`) and web addresses (`http(s)://`). */
import { MillraceError } from '../errors.ts';

/** An object in a bucket. The key is kept byte for byte: `%20`, `?` and `#` in it mean themselves. */
export interface ObjectUri {
  readonly scheme: 's3' | 'gs';
  readonly bucket: string;
  readonly key: string;
}

/** `url` is the text as given. Its query may be a signature: see `withoutQuery` before printing it. */
export interface WebUri {
  readonly scheme: 'http' | 'https';
  readonly url: string;
}

export type Uri = ObjectUri | WebUri;

/** S3's limit for a key, in UTF-8 bytes; Google's is the same. */
export const MAX_KEY_BYTES = 1024;

/** Wider than today's naming rules, because old buckets and other vendors' are; no character of it needs escaping in a path. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]$/;

export function isBucketName(text: string): boolean {
  return BUCKET_NAME.test(text) && !text.includes('..');
}

/** Parses an object's or a web address's URI. Throws URI_INVALID, naming what was found. */
export function parseUri(text: string): Uri {
  const [, scheme, rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text) ?? [];
  switch (scheme?.toLowerCase()) {
    case 's3':
      return objectUri('s3', rest, text);
    case 'gs':
      return objectUri('gs', rest, text);
    case 'http':
      return webUri('http', text);
    case 'https':
      return webUri('https', text);
    default:
      throw invalid('expected a URI that starts with s3://, gs://, https:// or http://', text);
  }
}

/** `parseUri` for places that take only an object. */
export function parseObjectUri(text: string): ObjectUri {
  const uri = parseUri(text);
  if ('key' in uri) return uri;
  throw invalid('expected an s3:// or gs:// URI', text);
}

export function formatUri(uri: Uri): string {
  return 'key' in uri ? `${uri.scheme}://${uri.bucket}/${uri.key}` : uri.url;
}

/**
 * The same web address without user info, query and fragment, for results and logs. An object's URI is returned as it is: `?`
 * is an ordinary character of a key.
 */
export function withoutQuery(uri: string): string {
  if (/^(s3|gs):\/\//i.test(uri)) return uri;
  return uri.replace(/[?#].*$/s, '').replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/\\]*@/, '$1');
}

/** What keeps `key` from being used, as half a sentence, or `undefined` where nothing does. */
export function keyFault(key: string): string | undefined {
  if (key === '') return 'no key';
  if (!key.isWellFormed()) return 'a key with a lone surrogate';
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `a key of ${Buffer.byteLength(key)} bytes`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f]/.test(key)) return 'a control character in the key';
  // URL parsers resolve such parts, so a request would end at another key than the one that was checked.
  if (key.split('/').some((part) => part === '.' || part === '..')) return 'a "." or ".." part in the key';
  return undefined;
}

function objectUri(scheme: 's3' | 'gs', rest: string, text: string): ObjectUri {
  const slash = rest.indexOf('/');
  const bucket = slash === -1 ? rest : rest.slice(0, slash);
  const key = slash === -1 ? '' : rest.slice(slash + 1);
  if (!isBucketName(bucket)) throw invalid(`expected ${scheme}://<bucket>/<key> with a valid bucket name`, text);
  const fault = keyFault(key);
  if (fault !== undefined) throw invalid(`expected ${scheme}://<bucket>/<key>, found ${fault}`, text);
  return { scheme, bucket, key };
}

function webUri(scheme: 'http' | 'https', text: string): WebUri {
  // The URL parser drops tabs and newlines silently: two readers could see two hosts.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  const url = /[\u0000-\u0020\u007f\\]/.test(text) ? null : URL.parse(text);
  if (url === null || url.hostname === '') throw invalid(`expected ${scheme}://<host>/…`, text);
  if (url.username !== '' || url.password !== '') throw invalid('expected a web address without user name and password', text);
  return { scheme, url: text };
}

const MAX_SHOWN_CHARACTERS = 200;

function invalid(expectation: string, text: string): MillraceError {
  const shown = withoutQuery(text.slice(0, MAX_SHOWN_CHARACTERS));
  return new MillraceError('URI_INVALID', `${expectation}: ${JSON.stringify(shown)}`);
}
