import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { kindOfFileName, MANIFEST_KINDS, validateManifest } from '../../../manifests/kinds.ts';
import { valueAt } from '../../../manifests/schema-path.ts';

const manifests = new URL('../../../manifests/', import.meta.url);
const fileNames = [...readdirSync(new URL('examples/', manifests)).map((name) => `examples/${name}`), 'built-in.pipeline.json'];

test('there is one of every manifest', () => {
  expect(new Set(fileNames.map(kindOfFileName))).toEqual(new Set(Object.keys(MANIFEST_KINDS)));
});

test.each(fileNames)('%s is right', (fileName) => {
  expect(validateManifest(fileName, readFileSync(new URL(fileName, manifests), 'utf8'))).toMatchObject({ ok: true });
});

test.each(fileNames.filter((name) => !name.includes('array.')))('%s names the JSON Schema of its kind', (fileName) => {
  const file = new URL(fileName, manifests);
  const schema = String(valueAt(JSON.parse(readFileSync(file, 'utf8')), ['$schema']));

  expect(schema).toMatch(new RegExp(`/${kindOfFileName(fileName)}\\.schema\\.json$`));
  expect(existsSync(new URL(schema, file))).toBe(true);
});
