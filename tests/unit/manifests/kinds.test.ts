import { expect, test } from 'vitest';
import { DEFAULT_DOCUMENT_LIMITS, kindOfFileName, MANIFEST_KINDS, validateManifest } from '../../../manifests/kinds.ts';

test.each([
  ['segments.json', 'segments'],
  ['/some/where/inputs/sources.json', 'sources'],
  ['C:\\jobs\\encoding.json', 'encoding'],
  ['built-in.pipeline.json', 'pipeline'],
  ['cancel.json', 'cancel'],
  ['segments.json.bak', undefined],
  ['mysegments.json', undefined],
  ['constructor.json', undefined],
  ['package.json', undefined],
])('%s is a manifest of kind %s', (fileName, kind) => {
  expect(kindOfFileName(fileName)).toBe(kind);
});

test('a file is read as the kind that its name says', () => {
  expect(validateManifest('encoding.json', '{"language": "en"}')).toEqual({
    ok: true,
    value: { kind: 'encoding', document: { language: 'en', subtitles: false } },
  });
});

test('a given kind outranks the name', () => {
  const parsed = validateManifest('encoding.json', '[{"start_sec": 0, "duration_sec": 1}]', DEFAULT_DOCUMENT_LIMITS, 'segments');

  expect(parsed).toMatchObject({ ok: true, value: { kind: 'segments', document: { segments: [{ start_sec: 0 }] } } });
});

test('a file of no known name says which names there are', () => {
  const parsed = validateManifest('package.json', '{}');

  expect(parsed).toMatchObject({
    ok: false,
    code: 'USAGE',
    errors: [
      {
        text: 'file name: expected one of segments.json, sources.json, encoding.json, pipeline.json, cancel.json, webhooks.json, or the kind beside it, found "package.json"',
      },
    ],
  });
});

test('both limits are held, and a document at the limit passes', () => {
  const text = '[{"start_sec": 0, "duration_sec": 1}, {"start_sec": 1, "duration_sec": 1}]';
  const limits = { maxSegments: 2, maxManifestBytes: text.length };
  const codeWith = (change: Partial<typeof limits>) => {
    const parsed = validateManifest('segments.json', text, { ...limits, ...change });
    return parsed.ok ? 'ok' : `${parsed.code} ${parsed.errors[0]?.text}`;
  };

  expect(codeWith({})).toBe('ok');
  expect(codeWith({ maxSegments: 1 })).toBe('MANIFEST_TOO_LARGE segments: expected at most 1 segments, found 2');
  expect(codeWith({ maxManifestBytes: 10 })).toBe(`MANIFEST_TOO_LARGE document: expected at most 10 bytes, found ${text.length}`);
});

test('bytes are counted, not characters', () => {
  const text = '{"reason": "é"}';

  expect(MANIFEST_KINDS.cancel.parse(text, { ...DEFAULT_DOCUMENT_LIMITS, maxManifestBytes: text.length }).ok).toBe(false);
});
