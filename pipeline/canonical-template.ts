/**
 * The canonical JSON of a template's values, item by item: the same text as `canonicalJson(substitute(template, scope))`, but what all items
 * share is substituted and written once, and not once for each of a hundred thousand.
 */
import { canonicalJson } from './fingerprint.ts';
import { type ReferenceScope, referencesIn, substitute, UnknownReference, valueAt, wholeReference } from './references.ts';

/** The text of one item; `undefined` where its value has none. Throws UnknownReference as `substitute` does. */
type Writer = (scope: ReferenceScope) => string | undefined;

/** What differs from item to item: by the first part of a reference. */
export type VaryingRoots = ReadonlySet<string>;

/** `shared` holds all that does not vary; what is asked for an item is given in full all the same. */
export function canonicalTemplate(
  template: unknown,
  shared: ReferenceScope,
  varying: VaryingRoots,
): (scope: ReferenceScope) => string {
  const writer = writerOf(template, shared, varying);
  return (scope) => writer(scope) ?? 'null';
}

function writerOf(template: unknown, shared: ReferenceScope, varying: VaryingRoots): Writer {
  const isShared = referencesIn(template).every((reference) => !varying.has(reference.split('.', 1)[0] ?? ''));
  if (isShared) return sharedWriter(template, shared);
  if (typeof template === 'string') return textWriter(template);
  if (Array.isArray(template)) return listWriter(template.map((entry) => writerOf(entry, shared, varying)));
  if (typeof template !== 'object' || template === null) return () => canonicalJson(template);
  // By code units, which is how texts are compared.
  const names = Object.entries(template).sort(([a], [b]) => (a < b ? -1 : 1));
  return fieldsWriter(
    names.map(([name, value]) => ({ begin: `${JSON.stringify(name)}:`, write: writerOf(value, shared, varying) })),
  );
}

function sharedWriter(template: unknown, shared: ReferenceScope): Writer {
  const textOf = (scope: ReferenceScope) => {
    const value = substitute(template, scope);
    return value === undefined ? undefined : canonicalJson(value);
  };
  try {
    const text = textOf(shared);
    return () => text;
  } catch (thrown) {
    if (!(thrown instanceof UnknownReference)) throw thrown;
    // Every item is to say what it lacks.
    return textOf;
  }
}

function textWriter(template: string): Writer {
  const reference = wholeReference(template);
  if (reference === null) return (scope) => JSON.stringify(substitute(template, scope));
  const path = reference.split('.');
  return (scope) => {
    const value = valueAt(path, scope);
    return value === undefined ? undefined : canonicalJson(value);
  };
}

function listWriter(writers: readonly Writer[]): Writer {
  return (scope) => {
    let text = '[';
    for (const [index, write] of writers.entries()) text += `${index === 0 ? '' : ','}${write(scope) ?? 'null'}`;
    return `${text}]`;
  };
}

function fieldsWriter(fields: readonly { readonly begin: string; readonly write: Writer }[]): Writer {
  return (scope) => {
    let text = '';
    for (const { begin, write } of fields) {
      const value = write(scope);
      if (value !== undefined) text += `${text === '' ? '{' : ','}${begin}${value}`;
    }
    return text === '' ? '{}' : `${text}}`;
  };
}
