/** `${…}` in a stage graph: plain substitution and nothing cleverer. */

export interface ReferenceScope {
  readonly job: string;
  readonly index?: number;
  readonly item?: unknown;
  readonly manifest?: unknown;
  readonly inputs?: Readonly<Record<string, unknown>>;
  /** Where the item's output goes: only known when a run is dispatched. */
  readonly output?: string;
}

/** The first part of a reference that can exist at all. */
export const REFERENCE_ROOTS = ['job', 'index', 'item', 'manifest', 'inputs', 'output'] as const;

// No brace inside: the search for the end of `${${${…` would otherwise go on to the end of the text from each of them.
const WHOLE = /^\$\{([^{}]+)\}$/;
const EMBEDDED = /\$\{([^{}]+)\}/g;

/** Thrown by `substituteText` where a reference inside a text has no value. Never leaves this folder. */
export class UnknownReference extends Error {
  readonly reference: string;
  constructor(reference: string) {
    super(`\${${reference}} has no value`);
    this.reference = reference;
  }
}

/** A text of a template, taken apart once: a hundred thousand items substitute into the same few. */
interface ParsedText {
  /** Where the text is one reference and nothing else. */
  readonly whole: string | null;
  /** Texts as they are, and references between them. */
  readonly parts: readonly (string | { readonly reference: string })[];
}

/** Templates come from pipelines, which are short; those of many jobs together must not pile up. */
const MAX_REMEMBERED = 10_000;
const parsedTexts = new Map<string, ParsedText>();
const paths = new Map<string, readonly string[]>();

function remembered<T>(known: Map<string, T>, text: string, make: (text: string) => T): T {
  const found = known.get(text);
  if (found !== undefined) return found;
  if (known.size >= MAX_REMEMBERED) known.clear();
  const made = make(text);
  known.set(text, made);
  return made;
}

function parseText(text: string): ParsedText {
  const parts: (string | { reference: string })[] = [];
  let end = 0;
  for (const match of text.matchAll(EMBEDDED)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push({ reference: match[1] ?? '' });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return { whole: WHOLE.exec(text)?.[1] ?? null, parts };
}

const pathOf = (reference: string): readonly string[] => remembered(paths, reference, (text) => text.split('.'));

/** The value of one reference, given without its `${}`; `undefined` where there is none. */
export function lookUp(reference: string, scope: ReferenceScope): unknown {
  return valueAt(pathOf(reference), scope);
}

/** The same for a reference that has been split at its dots. */
export function valueAt(path: readonly string[], scope: ReferenceScope): unknown {
  let value: unknown = scope;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** A text that is one reference and nothing else, without its `${}`. */
export function wholeReference(text: string): string | null {
  return remembered(parsedTexts, text, parseText).whole;
}

/** Every reference in a JSON value, without their `${}`. */
export function referencesIn(template: unknown): string[] {
  return textsIn(template).flatMap((text) => [...text.matchAll(EMBEDDED)].map((match) => match[1] ?? ''));
}

/** Texts in which a `${` begins that is no reference: they would otherwise be taken as they are. */
export function brokenReferencesIn(template: unknown): string[] {
  return textsIn(template).filter((text) => text.replaceAll(EMBEDDED, '').includes('${'));
}

/** Every text in a JSON value, but for the names of its objects. */
export function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(textsIn);
  return [];
}

/**
 * Substitutes into a JSON value. A text that is one reference takes the reference's value and type, and is left out
 * of its object where there is none (`target_sec` of a segment without one); inside a longer text a missing value is
 * an UnknownReference.
 */
export function substitute(template: unknown, scope: ReferenceScope): unknown {
  if (typeof template === 'string') {
    const reference = wholeReference(template);
    return reference === null ? substituteText(template, scope) : lookUp(reference, scope);
  }
  if (Array.isArray(template)) return template.map((entry) => substitute(entry, scope) ?? null);
  if (typeof template === 'object' && template !== null) {
    const made: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(template)) {
      const substituted = substitute(value, scope);
      if (substituted !== undefined) define(made, name, substituted);
    }
    return made;
  }
  return template;
}

/** As JSON.parse does it: `__proto__` is a name like any other. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: true });
  else target[name] = value;
}

export function substituteText(template: string, scope: ReferenceScope): string {
  let text = '';
  for (const part of remembered(parsedTexts, template, parseText).parts) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = lookUp(part.reference, scope);
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new UnknownReference(part.reference);
    }
    text += value;
  }
  return text;
}
