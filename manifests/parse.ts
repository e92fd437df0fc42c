/** The edge where a document from outside becomes a typed value, or a list of what is wrong with it. */
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { withoutSecrets } from '../errors.ts';
import { type FieldError, fieldErrors } from './field-errors.ts';

export type Parsed<T> = { readonly ok: true; readonly value: T } | Rejected;

export interface Rejected {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
}

/** Parses `value` with `schema`. */
export function parseValue<T extends z.ZodType>(schema: T, value: unknown): Parsed<z.output<T>> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, code: 'MANIFEST_INVALID', errors: fieldErrors(result.error, value) };
}

/** Parses JSON text (a byte order mark is allowed) with `schema`. */
export function parseDocument<T extends z.ZodType>(schema: T, text: string): Parsed<z.output<T>> {
  const json = parseJson(text);
  return json.ok ? parseValue(schema, json.value) : json;
}

export function parseJson(text: string): Parsed<unknown> {
  try {
    return { ok: true, value: JSON.parse(text.replace(/^\uFEFF/, '')) };
  } catch (thrown) {
    const found = withoutSecrets(thrown instanceof Error ? thrown.message : String(thrown));
    const error = { field: '', expected: 'a JSON document', found, text: `document: expected a JSON document, found: ${found}` };
    return { ok: false, code: 'MANIFEST_NOT_JSON', errors: [error] };
  }
}
