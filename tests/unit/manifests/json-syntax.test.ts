import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonMistake, MAX_JSON_DEPTH, soundJson } from '../../../manifests/json-syntax.ts';
import { parseJson } from '../../../manifests/parse.ts';

function textOf(json: string): string {
  const parsed = parseJson(json);
  return parsed.ok ? 'ok' : `${parsed.code} ${parsed.errors[0]?.text}`;
}

function parses(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

test.each([
  ['', 'document: expected a JSON value, found the end of the document at line 1, column 1'],
  ['{"a": 1,}', 'document: expected a field name in double quotes, found "}" (JSON has no trailing comma) at line 1, column 9'],
  ['[1,\n 2,\n]', '[2]: expected another value, found "]" (JSON has no trailing comma) at line 3, column 1'],
  ['// why\n{}', 'document: expected a JSON value, found a comment (JSON has none) at line 1, column 1'],
  ['{\n  "a": 1 /* why */\n}', 'document: expected "," or "}", found a comment (JSON has none) at line 2, column 10'],
  [
    "{'a': 1}",
    `document: expected a field name in double quotes or "}", found "'" (JSON uses double quotes) at line 1, column 2`,
  ],
  ['{a: 1}', 'document: expected a field name in double quotes or "}", found "a" at line 1, column 2'],
  ['{"a" 1}', 'a: expected ":", found "1" at line 1, column 6'],
  ['{"a": True}', 'a: expected a value, found "True" at line 1, column 7'],
  ['{"a": -Infinity}', 'a: expected a value, found "-Infinity" at line 1, column 7'],
  [
    '{"a": "one\ntwo"}',
    'a: expected a text on one line (a line break in it is written \\n, a tab \\t), found a control character at line 1, column 11',
  ],
  [
    '{"a": "C:\\x"}',
    'a: expected an escape that JSON knows (a backslash itself is written \\\\), found another escape at line 1, column 10',
  ],
  ['{"a": "one', 'a: expected a closing ", found the end of the document; the text begins at line 1, column 7'],
  ['[1 2]', 'document: expected "," or "]", found "2" at line 1, column 4'],
  ['{"segments": [{"start_sec": 01}]}', 'segments[0]: expected "," or "}", found "1" at line 1, column 30'],
  ['{} {}', 'document: expected the end of the document, found "{" at line 1, column 4'],
  ['{"a":\u00a01}', 'a: expected a value, found the character U+00A0 at line 1, column 6'],
  ['\uFEFF\uFEFF{}', 'document: expected a JSON value, found the character U+FEFF at line 1, column 1'],
])('%j', (json, text) => {
  expect(textOf(json)).toBe(`MANIFEST_NOT_JSON ${text}`);
});

test('two fields of one name are refused, however the name is spelt', () => {
  expect(textOf('{"segments": [],\n  "se\\u0067ments": [1]}')).toBe(
    'MANIFEST_INVALID segments: expected one field of this name, found another one at line 2, column 3',
  );
  expect(textOf('[{"a": {"b": 1, "b": 1}}]')).toBe(
    'MANIFEST_INVALID [0].a.b: expected one field of this name, found another one at line 1, column 17',
  );
  expect(textOf('[{"a": 1}, {"a": {"a": 2}}]')).toBe('ok');
});

test('one byte order mark is allowed', () => {
  expect(parseJson('\uFEFF{"a": 1}')).toEqual({ ok: true, value: { a: 1 } });
});

test('what is nested too deep is refused, what is not is not', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

  expect(textOf(nested(MAX_JSON_DEPTH))).toBe('ok');
  expect(textOf(nested(MAX_JSON_DEPTH + 1))).toBe(
    `MANIFEST_INVALID document: expected at most ${MAX_JSON_DEPTH} levels of nesting, found one more at line 1, column ${MAX_JSON_DEPTH + 1}`,
  );
  expect(textOf(nested(1_000_000))).toContain('levels of nesting');
});

test('a text that is not JSON is never quoted: a secret may be in it', () => {
  const url = 'https://bucket.example.com/key?X-Amz-Signature=5ec2e7';

  for (let length = 0; length < url.length; length++) expect(textOf(`{"a": "${url.slice(0, length)}`)).not.toContain('5ec2e7');
  for (let cut = 0; cut < url.length; cut++) expect(textOf(`{"a": ${url.slice(cut)}"}`)).not.toMatch(/5ec|ec2|c2e|2e7/);
});

describe('agrees with JSON.parse', () => {
  const mangled = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.nat({ max: 3 }),
      fc.constantFrom('', ',', '"', '{', ']', '\\', ' ', '0', '-', '.', 'e', '\n', '\u2028', '\t'),
    )
    .map(([json, at, removed, added]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + added + json.slice(place + removed);
    });
  const jsonish = fc
    .array(fc.constantFrom(...'{}[]:,"\\/ntu0123456789abcdefE+-. \n\u00e9'), { maxLength: 12 })
    .map((parts) => parts.join(''));

  test.each([
    ['any text', fc.string()],
    ['texts of JSON characters', jsonish],
    ['JSON with one change', mangled],
    ['numbers', fc.stringMatching(/^-?[0-9]{0,3}\.?[0-9]{0,2}[eE]?[+-]?[0-9]{0,2}$/)],
  ])('about %s', (_, texts) => {
    fc.assert(
      fc.property(texts, (text) => {
        const mistake = jsonMistake(text);
        // A duplicate field or too deep a nesting is reported where it is, whatever comes behind it.
        if (mistake === null || mistake.kind === 'syntax') expect(mistake === null).toBe(parses(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('and the quick look finds what the slow one does', () => {
    const name = fc.constantFrom('a', 'b', '\\u0061', ':', '{', '', '__proto__');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('1', 'null', '"a"', '":"', '"\\""', '"{"', '"]"'),
        fc.array(tie('value'), { maxLength: 3 }).map((values) => `[${values.join(',')}]`),
        fc
          .array(fc.tuple(name, tie('value')), { maxLength: 3 })
          .map((fields) => `{${fields.map(([key, text]) => `"${key}":${text}`).join(',')}}`),
      ),
    }));
    fc.assert(
      fc.property(fc.oneof(value.map(String), mangled), (text) => {
        const isSound = !text.includes('\\') && jsonMistake(text) === null;
        expect(soundJson(text)).toEqual(isSound ? JSON.parse(text) : undefined);
      }),
      { numRuns: 3000 },
    );
  });

  test('about the value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const json = JSON.stringify(value, null, 2);
        expect(parseJson(json)).toEqual({ ok: true, value: JSON.parse(json) });
      }),
    );
  });
});
