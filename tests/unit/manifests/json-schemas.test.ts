import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { jsonSchemas } from '../../../manifests/json-schemas.ts';
import { MANIFEST_KINDS } from '../../../manifests/kinds.ts';

const folder = new URL('../../../manifests/schemas/', import.meta.url);
const schemas = Object.entries(jsonSchemas());

test.each(schemas)('%s.schema.json is what the code makes (else run: npm run schemas)', (name, schema) => {
  const written = readFileSync(new URL(`${name}.schema.json`, folder), 'utf8');

  expect(written).toBe(`${JSON.stringify(schema, null, 2)}\n`);
});

test('no other schema lies beside them', () => {
  expect(readdirSync(folder).sort()).toEqual(schemas.map(([name]) => `${name}.schema.json`).sort());
});

test('every manifest has one', () => {
  expect(schemas.map(([name]) => name)).toEqual(expect.arrayContaining(Object.keys(MANIFEST_KINDS)));
});

describe('an editor learns', () => {
  const { sources, pipeline, encoding, segments, 'task-input': taskInput } = jsonSchemas();

  test('unknown fields, patterns, bounds and required fields', () => {
    expect(sources).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      additionalProperties: false,
      required: ['sources'],
      properties: {
        sources: {
          minItems: 1,
          maxItems: 10_000,
          items: {
            additionalProperties: false,
            required: ['source_uri', 'dest_key'],
            properties: { dest_key: { maxLength: 700, allOf: [{ pattern: expect.stringContaining('^(?!') }, {}] } },
          },
        },
      },
    });
    expect(encoding).toMatchObject({ required: ['language'], properties: { subtitles: { default: false } } });
    expect(segments).toMatchObject({
      anyOf: [{ type: 'array' }, { type: 'object' }],
      definitions: { Segment: { properties: { start_sec: { minimum: 0 }, duration_sec: { exclusiveMinimum: 0 } } } },
    });
    expect(pipeline).toMatchObject({
      properties: { stages: { minProperties: 1, maxProperties: 64 } },
      definitions: {
        Stage: {
          additionalProperties: false,
          oneOf: [{ required: ['task'] }, { required: ['endpoint'] }, { required: ['external'] }],
        },
      },
    });
  });

  test('the parameters of each task', () => {
    const tasks = ['STAGE_OBJECT', 'AUDIO_TRIM', 'DOWNSAMPLING', 'ENCODING', 'CONCATENATION', 'JOIN_CHUNKS', 'PING'];

    expect(taskInput).toMatchObject({ oneOf: tasks.map((task) => ({ properties: { task: { const: task }, parameters: {} } })) });
  });
});
