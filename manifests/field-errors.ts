/**
 * Turns zod's issues into sentences for the manifest's author:
 * `segments[57].duration_sec: expected a number above 0, found -2`.
 */
import { z } from 'zod';
import { withoutSecrets } from '../errors.ts';
import { nearestName } from './nearest-name.ts';
import { knownFields, meantBranch, objectAt, schemaAt, valueAt } from './schema-path.ts';
import { counted, MAX_SHOWN_CHARACTERS, quoted, shownValue } from './shown-value.ts';

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

interface Parse {
  readonly schema: z.core.$ZodType;
  readonly input: unknown;
}

/** The field errors of one failed parse, one for a field at most. `input` is the value that `schema` was given. */
export function fieldErrors(error: z.ZodError, input: unknown, schema: z.core.$ZodType): FieldError[] {
  const byField = new Map<string, FieldError>();
  for (const issue of error.issues) {
    for (const found of describe(issue, { schema, input })) {
      if (!byField.has(found.field)) byField.set(found.field, found);
      if (byField.size === MAX_FIELD_ERRORS) return [...byField.values()];
    }
  }
  return [...byField.values()];
}

/** The one place where the three are joined. */
export function fieldError(field: string, expected: string, found: string): FieldError {
  return { field, expected, found, text: `${field === '' ? 'document' : field}: expected ${expected}, found ${found}` };
}

function describe(issue: Issue, parse: Parse): FieldError[] {
  const { path } = issue;
  const name = fieldName(path);
  switch (issue.code) {
    case 'invalid_union': {
      const branch = branchOf(issue, parse);
      if (branch === undefined) break;
      return branch.flatMap((inner) => describe({ ...inner, path: [...path, ...inner.path] }, parse));
    }
    case 'unrecognized_keys':
      return issue.keys.map((key) =>
        fieldError(fieldName([...path, key]), unknownField(key, path, parse), shownValue(valueAt(parse.input, [...path, key]))),
      );
    case 'invalid_key': {
      const [inner] = issue.issues;
      return [fieldError(name, inner === undefined ? 'another name' : expectation(inner), quoted(String(path.at(-1))))];
    }
    case 'custom':
      // A rule about several fields says itself what it found; the value at its path would not tell.
      if (typeof issue.params?.found === 'string') return [fieldError(name, expectation(issue), issue.params.found)];
  }
  const value = valueAt(parse.input, path);
  return [fieldError(name, expectation(issue), value === undefined ? missing(path, parse) : shownValue(value))];
}

/** The issues of the branch that was meant; undefined where the union's own wording says more than any branch. */
function branchOf(issue: z.core.$ZodIssueInvalidUnion, { schema, input }: Parse): readonly Issue[] | undefined {
  const union = schemaAt(schema, issue.path, input);
  const meant = union instanceof z.ZodUnion ? meantBranch(union, valueAt(input, issue.path)) : undefined;
  if (meant === undefined && hasOwnWording(issue)) return undefined;
  return issue.errors[meant ?? 0];
}

function unknownField(key: string, path: Path, { schema, input }: Parse): string {
  const known = knownFields(objectAt(schema, path, input)).filter((name) => name !== '$schema');
  const nearest = nearestName(key, known);
  if (nearest !== undefined) return `no field of this name (did you mean "${nearest}"?)`;
  return known.length === 0 ? 'no field of this name' : `no field of this name (known here: ${known.join(', ')})`;
}

/** `nothing`, and in objects that keep unknown fields also the one that is probably a misspelling of it. */
function missing(path: Path, { schema, input }: Parse): string {
  const parent = objectAt(schema, path.slice(0, -1), input);
  const siblings = valueAt(input, path.slice(0, -1));
  if (parent === undefined || typeof siblings !== 'object' || siblings === null) return 'nothing';
  const unknown = Object.keys(siblings).filter((name) => !knownFields(parent).includes(name));
  // A strict object reports the unknown field itself.
  const strict = parent.def.catchall instanceof z.ZodNever;
  const nearest = strict ? undefined : nearestName(String(path.at(-1)), unknown);
  return nearest === undefined ? 'nothing' : `nothing (is ${quoted(nearest)} meant to be it?)`;
}

const PLAIN_NAME = /^[\w$-]+$/;

/** `segments[57].duration_sec`; names that hold anything but letters, digits, `_`, `$` and `-` are quoted: `["a b"]`. */
export function fieldName(path: Path): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === 'number') return `${name}[${part}]`;
    const text = String(part);
    if (!PLAIN_NAME.test(text)) return `${name}[${quoted(text)}]`;
    const shown = text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
    return name === '' ? shown : `${name}.${shown}`;
  }, '');
}

function hasOwnWording(issue: Issue): boolean {
  return issue.message.startsWith('expected ');
}

/** Schemas carry their own wording as `error: 'expected …'`; the rest is worded here from zod's issue. */
function expectation(issue: Issue): string {
  if (hasOwnWording(issue)) return withoutSecrets(issue.message.slice('expected '.length));
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
      return 'another value';
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'an array',
  boolean: 'true or false',
  int: 'a whole number',
  null: 'null',
  number: 'a finite number',
  object: 'an object',
  record: 'an object',
  string: 'text',
};

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string' && relation === 'at least' && Number(limit) === 1) return 'text that is not empty';
  if (origin === 'string') return `${relation} ${counted(limit, 'character', 'characters')}`;
  if (origin === 'array') return `${relation} ${counted(limit, 'entry', 'entries')}`;
  return `a number ${relation.startsWith('at') ? 'of ' : ''}${relation} ${limit}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((value) => JSON.stringify(value));
  return shown.length === 1 ? String(shown[0]) : `one of ${shown.join(', ')}`;
}
