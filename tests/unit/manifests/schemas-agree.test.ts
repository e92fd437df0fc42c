import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { jsonSchemas } from '../../../manifests/json-schemas.ts';
import { kindOfFileName, MANIFEST_KINDS } from '../../../manifests/kinds.ts';
import { parseValue } from '../../../manifests/parse.ts';
import { VALID_DOCUMENTS, withValue } from './valid-documents.ts';

/** `required` beside `properties` of the schema that holds it, and formats that editors only hint at, are no defects. */
const ajv = new Ajv({ strict: true, strictRequired: false, strictTypes: false, allowUnionTypes: true, validateFormats: false });
const validators = Object.fromEntries(Object.entries(jsonSchemas()).map(([name, schema]) => [name, ajv.compile(schema)]));

function accepts(name: string, value: unknown): boolean {
  const validate = validators[name];
  if (validate === undefined) throw new Error(`no schema ${name}`);
  return validate(value) === true;
}

const manifests = new URL('../../../manifests/', import.meta.url);
const fileNames = [...readdirSync(new URL('examples/', manifests)).map((name) => `examples/${name}`), 'built-in.pipeline.json'];

test.each(fileNames)('%s passes its JSON Schema', (fileName) => {
  expect(accepts(String(kindOfFileName(fileName)), JSON.parse(readFileSync(new URL(fileName, manifests), 'utf8')))).toBe(true);
});

const TASKS = [
  'STAGE_OBJECT',
  'AUDIO_TRIM, one',
  'AUDIO_TRIM, batch',
  'DOWNSAMPLING',
  'ENCODING',
  'ENCODING, legacy',
  'ENCODING, chunk',
  'CONCATENATION',
  'JOIN_CHUNKS',
] as const;

test.each(TASKS)('%s passes as a task input, and fails without its task', (name) => {
  const [task] = name.split(',');
  const input = { task, parameters: VALID_DOCUMENTS[name].document };

  expect(accepts('task-input', input)).toBe(true);
  expect(accepts('task-input', { ...input, task: 'TRIM' })).toBe(false);
  expect(accepts('task-input', { ...input, parameters: {} })).toBe(false);
});

test.each(['result', 'problem'] as const)('a %s passes', (name) => {
  expect(accepts(name, VALID_DOCUMENTS[name].document)).toBe(true);
});

test.each([
  ['segments', ['segments', 0, 'duration_sec'], 0],
  ['segments', ['segments', 0, 'start_sec'], undefined],
  ['segments', ['segments'], []],
  ['sources', ['sources', 0, 'dest_key'], 'a/../b'],
  ['sources', ['sources', 0, 'dest_key'], 'results/a'],
  ['sources', ['sources', 0, 'source_uri'], 'ftp://a/b'],
  ['sources', ['sorces'], []],
  ['encoding', ['language'], 'e'],
  ['cancel', ['why'], 'x'],
  ['pipeline', ['stages', 'Cut'], { external: true, output: 'a' }],
  ['pipeline', ['stages', 'cut', 'external'], true],
  ['pipeline', ['stages', 'cut', 'task'], undefined],
  ['pipeline', ['stages', 'model', 'payload'], undefined],
  ['pipeline', ['stages', 'model', 'parameters'], {}],
  ['pipeline', ['stages', 'cut', 'max_attempts'], 13],
  ['pipeline', ['stages', 'cut', 'inputs', 'audio', 'stage'], 'clips'],
  ['pipeline', ['stages'], {}],
] as const)('%s refuses %j = %j in both tongues', (name, path, value) => {
  const { schema, document } = VALID_DOCUMENTS[name];
  const broken = withValue(document, path, value);

  expect(accepts(name, document)).toBe(true);
  expect(accepts(name, broken)).toBe(false);
  expect(parseValue(schema, broken).ok).toBe(false);
});

test('every manifest kind was compiled', () => {
  expect(Object.keys(validators)).toEqual(expect.arrayContaining(Object.keys(MANIFEST_KINDS)));
});
