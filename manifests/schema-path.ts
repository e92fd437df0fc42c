/** Finds the part of a schema that a path of a document leads to: what was known there, and which branch of a union was meant. */
import { z } from 'zod';

type Schema = z.core.$ZodType;

/** The schema at `path`, with optional, default, pipe and lazy taken off; undefined where the schema knows nothing of it. */
export function schemaAt(schema: Schema, path: readonly PropertyKey[], input: unknown): Schema | undefined {
  const bare = unwrapped(schema);
  const [part, ...rest] = path;
  if (part === undefined) return bare;
  if (bare instanceof z.ZodUnion) {
    const branch = bare.options[meantBranch(bare, input) ?? 0];
    return branch === undefined ? undefined : schemaAt(branch, path, input);
  }
  const inner = child(bare, part);
  return inner === undefined ? undefined : schemaAt(inner, rest, valueAt(input, [part]));
}

/** The object schema at `path`, the meant branch where a union is there. */
export function objectAt(schema: Schema, path: readonly PropertyKey[], input: unknown): z.ZodObject | undefined {
  const found = schemaAt(schema, path, input);
  if (found instanceof z.ZodObject) return found;
  if (!(found instanceof z.ZodUnion)) return undefined;
  const branch = found.options[meantBranch(found, valueAt(input, path)) ?? 0];
  return branch === undefined ? undefined : objectAt(branch, [], valueAt(input, path));
}

function child(schema: Schema, part: PropertyKey): Schema | undefined {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, part) ? schema.shape[String(part)] : undefined;
  if (schema instanceof z.ZodArray) return schema.element;
  return schema instanceof z.ZodRecord ? schema.valueType : undefined;
}

/** The wrappings of one schema are few; the bound is for a lazy one that leads back to itself. */
const MAX_WRAPPINGS = 20;

function unwrapped(schema: Schema): Schema {
  let bare = schema;
  for (let count = 0; count < MAX_WRAPPINGS; count++) {
    if (bare instanceof z.ZodPipe) bare = bare.in;
    else if (bare instanceof z.ZodOptional || bare instanceof z.ZodNullable) bare = bare.unwrap();
    else if (bare instanceof z.ZodDefault || bare instanceof z.ZodLazy) bare = bare.unwrap();
    else return bare;
  }
  return bare;
}

/**
 * The index of the union's branch that the value's author meant: one of the value's type, and among objects the one
 * that has most of the value's fields to itself, one that it requires counting for more than any number that it
 * does not. Undefined where that is no single branch.
 */
export function meantBranch(union: z.ZodUnion, value: unknown): number | undefined {
  const branches = union.options.map((option, index) => ({ index, schema: unwrapped(option) }));
  const fitting = branches.filter(({ schema }) => takesTypeOf(schema, value));
  const scored = fitting.map(({ index, schema }) => ({
    index,
    score: ownFields(schema, fitting)
      .filter((name) => hasField(value, name))
      .reduce((sum, name) => sum + (isRequired(schema, name) ? REQUIRED_FIELD_WEIGHT : 1), 0),
  }));
  const best = Math.max(...scored.map(({ score }) => score));
  const winners = scored.filter(({ score }) => score === best);
  return winners.length === 1 ? winners[0]?.index : undefined;
}

const REQUIRED_FIELD_WEIGHT = 1000;

function isRequired(schema: Schema, name: string): boolean {
  const field = child(schema, name);
  return field !== undefined && !(field instanceof z.ZodOptional) && !(field instanceof z.ZodDefault);
}

function takesTypeOf(schema: Schema, value: unknown): boolean {
  if (schema instanceof z.ZodArray) return Array.isArray(value);
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return isObject(value);
  if (schema instanceof z.ZodString) return typeof value === 'string';
  if (schema instanceof z.ZodNumber) return typeof value === 'number';
  if (schema instanceof z.ZodBoolean) return typeof value === 'boolean';
  if (schema instanceof z.ZodNull) return value === null;
  return true;
}

/** The fields of a branch that not every other branch has as well. */
function ownFields(schema: Schema, branches: readonly { readonly schema: Schema }[]): readonly string[] {
  const shared = (name: string) => branches.every((branch) => knownFields(branch.schema).includes(name));
  return knownFields(schema).filter((name) => !shared(name));
}

/** The names of an object schema's fields; empty for anything else. */
export function knownFields(schema: Schema | undefined): readonly string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** What lies at `path`; undefined where nothing does. Only own fields count: a document may well name `constructor`. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasField(value: unknown, name: string): boolean {
  return isObject(value) && Object.hasOwn(value, name);
}
