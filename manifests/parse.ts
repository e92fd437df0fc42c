/** The edge where a document from outside becomes a typed value, or a list of what is wrong with it. */
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { type FieldError, fieldError, fieldErrors } from './field-errors.ts';
import { jsonMistake, MAX_JSON_DEPTH, soundJson } from './json-syntax.ts';

export type Parsed<T> = { readonly ok: true; readonly value: T } | Rejected;

export interface Rejected {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
}

/** Parses `value` with `schema`. Never throws. `code` is what the rejection carries: tasks say PARAMETERS_INVALID. */
export function parseValue<T extends z.ZodType>(
  schema: T,
  value: unknown,
  code: ErrorCode = 'MANIFEST_INVALID',
): Parsed<z.output<T>> {
  if (isTooDeep(value)) return rejected(code, '', `at most ${MAX_JSON_DEPTH} levels of nesting`, 'more');
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, code, errors: fieldErrors(result.error, value, schema) };
}

/** Parses JSON text (a byte order mark is allowed) with `schema`. Never throws. */
export function parseDocument<T extends z.ZodType>(schema: T, text: string): Parsed<z.output<T>> {
  const json = parseJson(text);
  return json.ok ? parseValue(schema, json.value) : json;
}

/** Any JSON value. Two fields of one name are refused: `JSON.parse` would drop the first without a word. Never throws. */
export function parseJson(text: string): Parsed<unknown> {
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const value = soundJson(json);
  if (value !== undefined) return { ok: true, value };
  const mistake = jsonMistake(json);
  if (mistake === null) return { ok: true, value: JSON.parse(json) };
  const code = mistake.kind === 'syntax' ? 'MANIFEST_NOT_JSON' : 'MANIFEST_INVALID';
  return rejected(code, mistake.field, mistake.expected, mistake.found);
}

/** A rejection for one reason. */
export function rejected(code: ErrorCode, field: string, expected: string, found: string): Rejected {
  return { ok: false, code, errors: [fieldError(field, expected, found)] };
}

/** Schemas recurse into free-form JSON (a stage's payload): a value that no text made is measured before. */
function isTooDeep(value: unknown, levels = MAX_JSON_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  const entries = Array.isArray(value) ? value : Object.values(value);
  return entries.some((entry) => isTooDeep(entry, levels - 1));
}
