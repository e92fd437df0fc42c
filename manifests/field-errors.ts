/**
 * Turns zod's issues into sentences for the manifest's author:
 * `segments[57].duration_sec: expected a number above 0, found -2`.
 */
import type { z } from 'zod';

export interface FieldError {
  /** Where, as people write it: `segments[57].duration_sec`; empty for the whole document. */
  readonly field: string;
  readonly expected: string;
  readonly found: string;
  /** The three in one line. */
  readonly text: string;
}

/** At most this many field errors are reported for one document; a thousand wrong segments are one mistake. */
export const MAX_FIELD_ERRORS = 20;

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** The field errors of one failed parse, in document order. `input` is the value that was parsed. */
export function fieldErrors(error: z.ZodError, input: unknown): FieldError[] {
  return error.issues.flatMap((issue) => describe(issue, input, [])).slice(0, MAX_FIELD_ERRORS);
}

function describe(issue: Issue, input: unknown, prefix: Path): FieldError[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return closestBranch(issue.errors).flatMap((inner) => describe(inner, input, path));
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => fieldError([...path, key], 'no field of this name', valueAt(input, [...path, key])));
  }
  return [fieldError(path, expectation(issue), valueAt(input, path))];
}

/** Of a union's branches, the one that got furthest into the document is the one its author meant. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]) => Math.max(0, ...issues.map((issue) => issue.path.length));
  return branches.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
}

function fieldError(path: Path, expected: string, value: unknown): FieldError {
  const field = fieldName(path);
  const found = show(value);
  return { field, expected, found, text: `${field === '' ? 'document' : field}: expected ${expected}, found ${found}` };
}

export function fieldName(path: Path): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`;
    return name === '' ? String(part) : `${name}.${String(part)}`;
  }, '');
}

/** Schemas carry their own wording as `error: 'expected …'`; the rest is worded here from zod's issue. */
function expectation(issue: Issue): string {
  if (issue.message.startsWith('expected ')) return issue.message.slice('expected '.length);
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'above' : 'at least', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'below' : 'at most', issue.maximum);
    case 'invalid_format':
      return issue.pattern === undefined ? `a valid ${issue.format}` : `text that matches ${issue.pattern}`;
    default:
      return lowerFirst(issue.message);
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'an array',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a finite number',
  object: 'an object',
  record: 'an object',
  string: 'text',
};

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'array') return `${relation} ${limit} entries`;
  if (origin === 'string') return `${relation} ${limit} characters`;
  return `a number ${relation === 'at least' ? 'of at least' : relation === 'at most' ? 'of at most' : relation} ${limit}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((value) => JSON.stringify(value));
  return shown.length === 1 ? String(shown[0]) : `one of ${shown.join(', ')}`;
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined),
    input,
  );
}

const MAX_SHOWN_CHARACTERS = 80;

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
