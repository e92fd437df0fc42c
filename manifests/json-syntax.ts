/**
 * Says where a text is not JSON, and what to do about it. `JSON.parse` gives a place only sometimes, quotes the
 * document (which may hold a presigned URL) in its message, and takes the last of two fields with one name without a
 * word; a manifest's author should hear of all three.
 */
import { fieldName } from './field-errors.ts';
import { quoted } from './shown-value.ts';

export interface JsonMistake {
  readonly kind: 'syntax' | 'duplicate' | 'depth';
  /** The field being read. */
  readonly field: string;
  readonly expected: string;
  /** What is there instead, and on which line and column (both from 1). */
  readonly found: string;
}

/** Nothing that Millrace reads is nested nearly as deep; what walks a document may then recurse. */
export const MAX_JSON_DEPTH = 100;

/** The first mistake in `text`, or null where it is JSON without duplicate fields. A byte order mark must be cut off before. */
export function jsonMistake(text: string): JsonMistake | null {
  try {
    new Scanner(text).document();
    return null;
  } catch (thrown) {
    if (thrown instanceof Stop) return thrown.mistake;
    throw thrown;
  }
}

/**
 * The value of a text in which nothing is wrong and nothing is escaped; `undefined` for any other, which `jsonMistake` is for. Several times as
 * fast: a field whose name comes twice is one that the text has and the value has not.
 */
export function soundJson(text: string): unknown {
  if (text.includes('\\')) return undefined;
  const shape = shapeOf(text);
  if (shape.depth > MAX_JSON_DEPTH) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return fieldsIn(value) === shape.fields ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Counts of a text without escapes that may yet turn out to be no JSON. */
function shapeOf(text: string): { readonly fields: number; readonly depth: number } {
  let [fields, depth, deepest] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === 0x22) {
      at = text.indexOf('"', at + 1);
      if (at < 0) break;
    } else if (character === 0x3a) fields++;
    else if (character === 0x7b || character === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (character === 0x7d || character === 0x5d) depth--;
  }
  return { fields, depth: deepest };
}

function fieldsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const entries: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let fields = Array.isArray(value) ? 0 : entries.length;
  for (const entry of entries) fields += fieldsIn(entry);
  return fields;
}

class Stop extends Error {
  readonly mistake: JsonMistake;
  constructor(mistake: JsonMistake) {
    super(mistake.expected);
    this.mistake = mistake;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WHITESPACE = /[ \t\n\r]*/y;
/** What people write who have another language in mind. Only these words are quoted back; a text's content never is. */
const FOREIGN_WORD = /True|False|None|NaN|-?Infinity|undefined|nil/y;

/** A second byte order mark, a space that is not JSON's: its name says more than it does. */
const INVISIBLE = /[\p{C}\p{Z}]/u;

class Scanner {
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#space();
    this.#value('a JSON value');
    this.#space();
    if (this.#at < this.#text.length) this.#stop('the end of the document');
  }

  #value(expected: string): void {
    const start = this.#text[this.#at];
    if (start === '{' || start === '[') {
      if (this.#path.length >= MAX_JSON_DEPTH) this.#fail('depth', `at most ${MAX_JSON_DEPTH} levels of nesting`, 'one more');
      if (start === '{') this.#object();
      else this.#array();
    } else if (start === '"') this.#string();
    else if (!this.#take(LITERAL) && !this.#take(NUMBER)) this.#stop(expected);
  }

  #array(): void {
    this.#at++;
    this.#space();
    if (this.#skip(']')) return;
    for (let index = 0; ; index++) {
      this.#path.push(index);
      this.#value(index === 0 ? 'a value or "]"' : 'another value');
      this.#path.pop();
      this.#space();
      if (this.#skip(']')) return;
      if (!this.#skip(',')) this.#stop('"," or "]"');
      this.#space();
    }
  }

  #object(): void {
    this.#at++;
    this.#space();
    if (this.#skip('}')) return;
    const names = new Set<string>();
    for (;;) {
      const start = this.#at;
      if (this.#text[start] !== '"')
        this.#stop(names.size === 0 ? 'a field name in double quotes or "}"' : 'a field name in double quotes');
      this.#string();
      const name = decoded(this.#text.slice(start, this.#at));
      this.#path.push(name);
      if (names.has(name)) this.#fail('duplicate', 'one field of this name', 'another one', start);
      names.add(name);
      this.#space();
      if (!this.#skip(':')) this.#stop('":"');
      this.#space();
      this.#value('a value');
      this.#path.pop();
      this.#space();
      if (this.#skip('}')) return;
      if (!this.#skip(',')) this.#stop('"," or "}"');
      this.#space();
    }
  }

  #string(): void {
    const start = this.#at;
    this.#at++;
    while (this.#at < this.#text.length) {
      const character = this.#text.charCodeAt(this.#at);
      if (character === 0x22) {
        this.#at++;
        return;
      }
      if (character === 0x5c) {
        if (!this.#take(ESCAPE))
          this.#fail('syntax', 'an escape that JSON knows (a backslash itself is written \\\\)', 'another escape');
      } else if (character < 0x20) {
        this.#fail('syntax', 'a text on one line (a line break in it is written \\n, a tab \\t)', 'a control character');
      } else this.#at++;
    }
    this.#fail('syntax', 'a closing "', 'the end of the document; the text begins', start);
  }

  #space(): void {
    this.#take(WHITESPACE);
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return false;
    this.#at += match[0].length;
    return true;
  }

  #stop(expected: string): never {
    this.#fail('syntax', expected, this.#foundHere());
  }

  #foundHere(): string {
    if (this.#at >= this.#text.length) return 'the end of the document';
    FOREIGN_WORD.lastIndex = this.#at;
    const word = FOREIGN_WORD.exec(this.#text);
    if (word !== null) return quoted(word[0]);
    const rest = this.#text.slice(this.#at, this.#at + 2);
    if (rest === '//' || rest === '/*' || rest.startsWith('#')) return 'a comment (JSON has none)';
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    if (character === "'") return '"\'" (JSON uses double quotes)';
    if ((character === ']' || character === '}') && this.#afterComma()) return `"${character}" (JSON has no trailing comma)`;
    return INVISIBLE.test(character) ? `the character U+${hexOf(character)}` : quoted(character);
  }

  #afterComma(): boolean {
    let before = this.#at - 1;
    while (before >= 0 && ' \t\n\r'.includes(this.#text.charAt(before))) before--;
    return this.#text[before] === ',';
  }

  #fail(kind: JsonMistake['kind'], expected: string, found: string, at = this.#at): never {
    const before = this.#text.slice(0, at);
    const line = before.split('\n').length;
    const column = at - before.lastIndexOf('\n');
    throw new Stop({
      kind,
      field: kind === 'depth' ? '' : fieldName(this.#path),
      expected,
      found: `${found} at line ${line}, column ${column}`,
    });
  }
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

function decoded(literal: string): string {
  return literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
}
