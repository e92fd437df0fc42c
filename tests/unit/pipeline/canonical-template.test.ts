import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalTemplate } from '../../../pipeline/canonical-template.ts';
import { canonicalJson } from '../../../pipeline/fingerprint.ts';
import { type ReferenceScope, substitute, UnknownReference } from '../../../pipeline/references.ts';

const ITEM_ROOTS = new Set(['index', 'item']);

/** The text; `null` where a value is missing. Where several are, either may be named first. */
function outcome(make: () => string): string | null {
  try {
    return make();
  } catch (thrown) {
    if (thrown instanceof UnknownReference) return null;
    throw thrown;
  }
}

describe('writes what substitution and canonical JSON write', () => {
  const value = fc.jsonValue({ maxDepth: 2 });
  const fields = fc.dictionary(fc.constantFrom('a', 'b', '__proto__', '"'), value, { maxKeys: 3 });
  const scopes = fc.record({ job: fc.string(), manifest: fields, inputs: fields, item: fields, index: fc.nat() });
  const texts = fc
    .array(
      fc.constantFrom('${job}', '${index}', '${item.a}', '${item.b.a}', '${item}', '${manifest.a}', '${inputs.b}', 'x', '"', '$'),
      {
        maxLength: 3,
      },
    )
    .map((parts) => parts.join(''));
  const { template } = fc.letrec((tie) => ({
    template: fc.oneof(
      { maxDepth: 3 },
      texts,
      fc.constantFrom(1, true, null),
      fc.array(tie('template'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'B', '__proto__', 'é'), tie('template'), { maxKeys: 4 }),
    ),
  }));

  test.each([
    ['where items differ in their entries', ITEM_ROOTS],
    ['where they differ in their inputs too', new Set([...ITEM_ROOTS, 'inputs'])],
  ])('%s', (_, varying) => {
    fc.assert(
      fc.property(template, scopes, fields, (made, scope, other) => {
        const write = canonicalTemplate(made, scope, varying);
        const second = { ...scope, index: scope.index + 1, item: other, ...(varying.has('inputs') ? { inputs: other } : {}) };
        for (const each of [scope, second]) {
          expect(outcome(() => write(each))).toBe(outcome(() => canonicalJson(substitute(made, each))));
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test('a shared text that lacks a value is the fault of every item, and not of the stage', () => {
  const scope: ReferenceScope = { job: 'j', index: 0, manifest: {} };
  const write = canonicalTemplate({ a: 'x-${manifest.language}' }, scope, ITEM_ROOTS);
  expect(() => write(scope)).toThrow('${manifest.language} has no value');
});
