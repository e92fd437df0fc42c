/** How a value from a manifest appears in a sentence: short, and without what must not be printed. */
import { withoutSecrets } from '../errors.ts';

export const MAX_SHOWN_CHARACTERS = 80;

/** Texts that look like another type, so that the missing or needless quotes are pointed at. */
const LOOKS_LIKE_NO_TEXT = /^(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)$/;

/**
 * `-2`, `"en"`, `the text "2"`, `an array of 3 entries`, `an object with "key"`, `nothing`. Never the content of an
 * array or object: it may be long, and may hold a presigned URL anywhere.
 */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return LOOKS_LIKE_NO_TEXT.test(value) ? `the text ${quoted(value)}` : quoted(value);
  // JSON.parse makes 1e400 an infinity.
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'a number beyond 1.8e308';
  if (Array.isArray(value))
    return value.length === 0 ? 'an empty array' : `an array of ${counted(value.length, 'entry', 'entries')}`;
  if (typeof value === 'object' && value !== null) return shownObject(Object.keys(value));
  return String(value);
}

const MAX_SHOWN_NAMES = 4;

function shownObject(names: readonly string[]): string {
  if (names.length === 0) return 'an empty object';
  const shown = names.slice(0, MAX_SHOWN_NAMES).map(quoted).join(', ');
  return names.length > MAX_SHOWN_NAMES ? `an object with ${shown}, … (${names.length} fields)` : `an object with ${shown}`;
}

/** The text in JSON's quotes, cut where it is long. */
export function quoted(text: string): string {
  const safe = withoutQuery(text);
  if (safe.length <= MAX_SHOWN_CHARACTERS) return JSON.stringify(safe);
  return `${JSON.stringify(`${safe.slice(0, MAX_SHOWN_CHARACTERS)}…`)} (${text.length} characters)`;
}

/** A presigned URL's secret is its query. A URL that fills the whole text loses all behind its first ? or #, whatever that holds. */
function withoutQuery(text: string): string {
  const url = /^\s*[A-Za-z][A-Za-z0-9+.-]*:\/\/[^?#]*(?=[?#])/.exec(text);
  return withoutSecrets(url === null ? text : `${url[0]}?…`);
}

export function counted(count: number | bigint, one: string, many: string): string {
  return `${count} ${Number(count) === 1 ? one : many}`;
}
