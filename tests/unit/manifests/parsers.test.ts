import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MANIFEST_KINDS } from '../../../manifests/kinds.ts';
import { parseValue } from '../../../manifests/parse.ts';
import { parseSegments } from '../../../manifests/segments.ts';
import { TASK_PARAMETERS, TaskInput } from '../../../manifests/tasks.ts';
import { pathsOf, VALID_DOCUMENTS, withValue } from './valid-documents.ts';

const fieldNames = [
  ...new Set(
    Object.values(VALID_DOCUMENTS).flatMap(({ document }) =>
      pathsOf(document).flatMap((path) => path.filter((part) => typeof part === 'string')),
    ),
  ),
  '__proto__',
  'constructor',
  'toString',
];

/** JSON whose field names are those that the schemas know, so that it gets past their doors. */
const knownJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -0,
      1,
      -1,
      0.5,
      1e308,
      Number.POSITIVE_INFINITY,
      '',
      'en',
      's3://b/k',
      '${manifest.a}',
      'AUDIO_TRIM',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.constantFrom(...fieldNames), tie('value')), { maxLength: 6 }).map((entries) => {
      // As JSON.parse does: __proto__ is a field like any other.
      const record: Record<string, unknown> = Object.create(null);
      for (const [name, value] of entries) record[name] = value;
      return { ...record };
    }),
  ),
})).value;

const anyJson = fc.oneof(fc.jsonValue(), knownJson);

const schemas = [
  ...Object.entries(VALID_DOCUMENTS).map(([name, { schema }]) => [name, schema] as const),
  ...Object.entries(TASK_PARAMETERS),
  ['input', TaskInput] as const,
];

describe('any JSON value is parsed or refused with a reason, and never throws', () => {
  test.each(schemas)('%s as a value', (_, schema) => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const parsed = parseValue(schema, value);
        expect(parsed.ok || parsed.errors.every(({ text }) => /: expected .+, found ./s.test(text))).toBe(true);
        expect(parsed.ok || parsed.errors.length > 0).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test.each(Object.values(MANIFEST_KINDS))('$fileName as a text', ({ parse }) => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          knownJson.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          const parsed = parse(text);
          expect(parsed.ok || parsed.errors.length > 0).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a value nested deeper than any stack', () => {
    let deep: unknown = 'end';
    for (let level = 0; level < 100_000; level++) deep = [deep];
    const { schema, document } = VALID_DOCUMENTS.pipeline;

    const parsed = parseValue(schema, withValue(document, ['stages', 'model', 'payload', 'deep'], deep));

    expect(parsed).toMatchObject({
      ok: false,
      errors: [{ text: 'document: expected at most 100 levels of nesting, found more' }],
    });
  });
});

test('one corruption in a right segments document is reported at its index and field, and nowhere else', () => {
  const seconds = fc.double({ min: 0.001, max: 10_000, noNaN: true });
  const segment = fc.record(
    { start_sec: seconds, duration_sec: seconds, note: fc.string() },
    { requiredKeys: ['start_sec', 'duration_sec'] },
  );
  const corruption = fc.oneof(
    fc.record({
      field: fc.constantFrom('start_sec', 'duration_sec', 'target_sec'),
      value: fc.constantFrom('1', null, true, [], {}, -1, -1e-9, 1e9),
    }),
    fc.record({ field: fc.constantFrom('duration_sec', 'target_sec'), value: fc.constantFrom(0, -0) }),
    fc.record({ field: fc.constantFrom('start_sec', 'duration_sec'), value: fc.constant(undefined) }),
  );

  fc.assert(
    fc.property(
      fc.array(segment, { minLength: 1, maxLength: 30 }),
      fc.nat(),
      corruption,
      fc.boolean(),
      (segments, at, { field, value }, asArray) => {
        const index = at % segments.length;
        const broken = segments.map((entry, place) => (place === index ? { ...entry, [field]: value } : entry));
        const text = (list: unknown) => JSON.stringify(asArray ? list : { segments: list });

        expect(parseSegments(text(segments)).ok).toBe(true);
        const parsed = parseSegments(text(broken));
        expect(parsed.ok ? [] : parsed.errors.map((error) => error.field)).toEqual([`segments[${index}].${field}`]);
      },
    ),
  );
});
