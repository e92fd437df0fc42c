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

/** The value of one reference, given without its `${}`; `undefined` where there is none. */
export function lookUp(reference: string, scope: ReferenceScope): unknown {
  return reference.split('.').reduce<unknown>((value, part) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    return (value as Record<string, unknown>)[part];
  }, scope);
}

/** A text that is one reference and nothing else, without its `${}`. */
export function wholeReference(text: string): string | null {
  return WHOLE.exec(text)?.[1] ?? null;
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
    const entries = Object.entries(template).map(([name, value]) => [name, substitute(value, scope)] as const);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }
  return template;
}

export function substituteText(template: string, scope: ReferenceScope): string {
  return template.replaceAll(EMBEDDED, (_, reference: string) => {
    const value = lookUp(reference, scope);
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw new UnknownReference(reference);
    return String(value);
  });
}
