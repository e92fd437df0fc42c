import { describe, expect, test } from 'vitest';
import { MAX_FIELD_ERRORS } from '../../../manifests/field-errors.ts';
import { parseValue } from '../../../manifests/parse.ts';
import { Segments } from '../../../manifests/segments.ts';
import { type Path, pathsOf, VALID_DOCUMENTS, type ValidDocument, withValue } from './valid-documents.ts';

type Name = keyof typeof VALID_DOCUMENTS;

function textsOf({ schema }: ValidDocument, value: unknown): string[] {
  const parsed = parseValue(schema, value);
  return parsed.ok ? [] : parsed.errors.map(({ text }) => text);
}

const names = Object.keys(VALID_DOCUMENTS).filter((name): name is Name => Object.hasOwn(VALID_DOCUMENTS, name));

const SECRET = 'X-Amz-Signature=5ec2e7';
const WRONG_VALUES = [
  undefined,
  null,
  5,
  -2,
  0.5,
  Number.POSITIVE_INFINITY,
  '2',
  '',
  [],
  {},
  true,
  `https://user:${SECRET}@bucket.example.com/key?${SECRET}`,
  `see https://bucket.example.com/key?${SECRET} there`,
  'x'.repeat(5000),
  { [`https://bucket.example.com/key?${SECRET}`]: `https://bucket.example.com/key?${SECRET}` },
];

/** zod's own English, JavaScript's values, and what shows an object badly. */
const FOREIGN_WORDS = /\b(invalid|unrecognized|received|undefined|NaN|Infinity|too (small|big))\b|\[object/i;
const SENTENCE = /^\S.*: expected \S.*, found \S/;

describe.each(names)('%s', (name) => {
  const valid: ValidDocument = VALID_DOCUMENTS[name];

  test('accepts its document', () => {
    expect(textsOf(valid, valid.document)).toEqual([]);
  });

  test('says field, expected and found for every wrong value in every place, and never a secret', () => {
    let refused = 0;
    for (const path of pathsOf(valid.document)) {
      for (const wrong of WRONG_VALUES) {
        for (const text of textsOf(valid, withValue(valid.document, path, wrong))) {
          refused++;
          expect(text).toMatch(SENTENCE);
          expect(text).not.toMatch(FOREIGN_WORDS);
          expect(text).not.toContain(SECRET);
          expect(text.length).toBeLessThan(600);
        }
      }
    }
    expect(refused).toBeGreaterThan(10);
  });
});

const KEY = "a key inside the job's folder, such as inputs/audio/master.m4a (no leading slash, no ..)";
const URI = 'an s3://, gs:// or http(s):// URI';

const cases: [name: Name, path: Path, value: unknown, texts: string[]][] = [
  ['segments', ['segments', 1, 'duration_sec'], -2, ['segments[1].duration_sec: expected a number above 0, found -2']],
  ['segments', ['segments', 1, 'duration_sec'], 0, ['segments[1].duration_sec: expected a number above 0, found 0']],
  [
    'segments',
    ['segments', 0, 'start_sec'],
    undefined,
    ['segments[0].start_sec: expected a number of at least 0, found nothing'],
  ],
  ['segments', ['segments', 0, 'start_sec'], '2', ['segments[0].start_sec: expected a number of at least 0, found the text "2"']],
  ['segments', ['segments', 0, 'start_sec'], 'two', ['segments[0].start_sec: expected a number of at least 0, found "two"']],
  ['segments', ['segments', 0, 'start_sec'], null, ['segments[0].start_sec: expected a number of at least 0, found null']],
  [
    'segments',
    ['segments', 0, 'start_sec'],
    Number.POSITIVE_INFINITY,
    ['segments[0].start_sec: expected a number of at least 0, found a number beyond 1.8e308'],
  ],
  ['segments', ['segments', 0, 'start_sec'], -0, []],
  [
    'segments',
    ['segments', 0, 'start_sec'],
    1e300,
    ['segments[0].start_sec: expected a number of at most 604800 (seconds; seven days), found 1e+300'],
  ],
  [
    'segments',
    ['segments', 0, 'target_sec'],
    1,
    ['segments[0].target_sec: expected a number of at least duration_sec (2), found 1'],
  ],
  ['segments', ['segments', 0, 'speaker'], 'Ada', []],
  ['segments', ['segments'], [], ['segments: expected at least one segment, found an empty array']],
  [
    'segments',
    ['segments', 0],
    { start_sec: 0, duraton_sec: 1 },
    ['segments[0].duration_sec: expected a number above 0, found nothing (is "duraton_sec" meant to be it?)'],
  ],
  ['segments', [], 5, ['document: expected an array of segments, or an object with "segments", found 5']],
  [
    'sources',
    [],
    { sorces: [1, 2, 3] },
    [
      'sources: expected an array of sources, found nothing',
      'sorces: expected no field of this name (did you mean "sources"?), found an array of 3 entries',
    ],
  ],
  ['sources', ['sources', 0, 'dest_key'], '../x', [`sources[0].dest_key: expected ${KEY}, found "../x"`]],
  [
    'sources',
    ['sources', 0, 'dest_key'],
    'results/x',
    [
      'sources[0].dest_key: expected a key outside results/, problems/ and webhooks/, which Millrace writes itself, found "results/x"',
    ],
  ],
  [
    'sources',
    ['sources', 0, 'note'],
    'x',
    ['sources[0].note: expected no field of this name (known here: source_uri, dest_key, content_type), found "x"'],
  ],
  ['sources', ['sources', 0, 'source_uri'], 'ftp://x/y', [`sources[0].source_uri: expected ${URI}, found "ftp://x/y"`]],
  [
    'encoding',
    ['language'],
    'english please',
    ['language: expected a language tag such as "en" or "pt-BR", found "english please"'],
  ],
  ['encoding', ['subtitles'], 'true', ['subtitles: expected true or false, found the text "true"']],
  [
    'cancel',
    ['reason'],
    'x'.repeat(1001),
    [`reason: expected at most 1000 characters, found "${'x'.repeat(80)}…" (1001 characters)`],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'manifest', 'keys'],
    [],
    ['stages.cut.manifest.keys: expected at least one key, found an empty array'],
  ],
  [
    'AUDIO_TRIM, batch',
    ['segments'],
    Array.from({ length: 1001 }, () => ({})),
    ['segments: expected at most 1000 segments, found an array of 1001 entries'],
  ],
  ['pipeline', ['version'], 2, ['version: expected 1, found 2']],
  ['pipeline', ['stages'], {}, ['stages: expected at least one stage, found an empty object']],
  [
    'pipeline',
    ['stages', 'Cut!'],
    { external: true, output: 'a' },
    ['stages["Cut!"]: expected a stage name: lower-case letters, digits and dashes, a letter first, found "Cut!"'],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'inputs', 'audio'],
    {},
    [
      'stages.cut.inputs.audio: expected an object with either "key" (an object of the job) or "stage" (the outputs of that stage), found an empty object',
    ],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'inputs', 'audio'],
    { key: 'a', stage: 'clips' },
    [
      'stages.cut.inputs.audio: expected an object with either "key" (an object of the job) or "stage" (the outputs of that stage), found an object with "key", "stage"',
    ],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'inputs', 'audio'],
    { stage: 'clips', when: '${manifest.on}' },
    ['stages.cut.inputs.audio.when: expected no field of this name (known here: stage, optional), found "${manifest.on}"'],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'inputs', 'audio', 'key'],
    'a/*/b',
    ['stages.cut.inputs.audio.key: expected at most one *, in the last part of the key, found "a/*/b"'],
  ],
  ['pipeline', ['stages', 'cut', 'output'], 'a/*', ['stages.cut.output: expected a key without *, found "a/*"']],
  [
    'pipeline',
    ['stages', 'cut', 'max_attempts'],
    13,
    ['stages.cut.max_attempts: expected a whole number from 1 to 12, found 13'],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'max_attempts'],
    1.5,
    ['stages.cut.max_attempts: expected a whole number from 1 to 12, found 1.5'],
  ],
  ['pipeline', ['stages', 'cut', 'ttl_sec'], 1, ['stages.cut.ttl_sec: expected a number of seconds from 10 to 604800, found 1']],
  [
    'pipeline',
    ['stages', 'cut', 'ttl_sec'],
    60,
    ['stages.cut.ttl_sec: expected at least execution_timeout_sec, which it includes, found 60'],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'external'],
    true,
    ['stages.cut: expected exactly one of task, endpoint, external, found task and external'],
  ],
  [
    'pipeline',
    ['stages', 'clips', 'external'],
    undefined,
    ['stages.clips: expected exactly one of task, endpoint, external, found none of them'],
  ],
  [
    'pipeline',
    ['stages', 'clips', 'items_per_run'],
    2,
    ['stages.clips.items_per_run: expected 1, because only AUDIO_TRIM has a batch form, found 2'],
  ],
  [
    'pipeline',
    ['stages', 'model', 'payload'],
    undefined,
    ['stages.model.payload: expected an object, because endpoint is given, found nothing'],
  ],
  [
    'pipeline',
    ['stages', 'clips', 'payload'],
    {},
    ['stages.clips.payload: expected nothing here without endpoint (a task takes parameters), found an empty object'],
  ],
  [
    'pipeline',
    ['stages', 'model', 'parameters'],
    {},
    ['stages.model.parameters: expected nothing here without task (an endpoint takes payload), found an empty object'],
  ],
  [
    'pipeline',
    ['stages', 'model', 'payload', 'deep', 0, 'url'],
    Number.NEGATIVE_INFINITY,
    ['stages.model.payload.deep[0].url: expected a finite number, found a number beyond 1.8e308'],
  ],
  [
    'pipeline',
    ['stages', 'cut', 'executionTimeout'],
    3,
    ['stages.cut.executionTimeout: expected no field of this name (did you mean "execution_timeout_sec"?), found 3'],
  ],
  [
    'task input',
    ['task'],
    'TRIM',
    [
      'task: expected one of "STAGE_OBJECT", "AUDIO_TRIM", "DOWNSAMPLING", "ENCODING", "CONCATENATION", "JOIN_CHUNKS", "PING", found "TRIM"',
    ],
  ],
  [
    'STAGE_OBJECT',
    [],
    { source_uri: 'https://example.com/a' },
    ['output_put_url: expected a presigned http(s) URL (or dest_uri), found nothing'],
  ],
  [
    'AUDIO_TRIM, one',
    [],
    {},
    [
      'document: expected one segment (source_uri, start_sec, duration_sec and a destination), or "segments" with several, found an empty object',
    ],
  ],
  [
    'AUDIO_TRIM, one',
    [],
    { start_sec: 1 },
    [`source_uri: expected ${URI}, found nothing`, 'duration_sec: expected a number above 0, found nothing'],
  ],
  ['AUDIO_TRIM, batch', [], { segments: 5 }, ['segments: expected an array of segments, found 5']],
  ['AUDIO_TRIM, batch', [], { segments: [] }, ['segments: expected at least one segment, found an empty array']],
  ['AUDIO_TRIM, batch', ['segments', 1, 'duration_sec'], -1, ['segments[1].duration_sec: expected a number above 0, found -1']],
  ['DOWNSAMPLING', ['resolution'], '360x', ['resolution: expected a height such as "360p" or 360, found "360x"']],
  ['DOWNSAMPLING', ['resolution'], 360.5, ['resolution: expected a height such as "360p" or 360, found 360.5']],
  ['DOWNSAMPLING', ['resolution'], 100, ['resolution: expected a height from 144 to 2160, found 100']],
  ['DOWNSAMPLING', ['resolution'], '2161p', ['resolution: expected a height from 144 to 2160, found "2161p"']],
  ['ENCODING', ['subtitles_uri'], undefined, [`subtitles_uri: expected ${URI}, because subtitles is true, found nothing`]],
  ['ENCODING', ['id'], '', ['id: expected text that is not empty, found ""']],
  ['ENCODING', ['input_audio_uri'], undefined, [`input_audio_uri: expected ${URI}, found nothing`]],
  ['ENCODING, legacy', ['input_video_name'], undefined, ['input_video_name: expected text, found nothing']],
  ['ENCODING, legacy', ['bucket'], 5, ['bucket: expected text, found 5']],
  ['ENCODING, chunk', ['chunk', 'frames'], 0, ['chunk.frames: expected a whole number from 1 to 100000000, found 0']],
  [
    'DOWNSAMPLING',
    ['chunk'],
    { rate: 25 },
    [
      'chunk.rate: expected a rate as a fraction, such as 30000/1001, found 25',
      'chunk.start_frame: expected a whole number from 0 to 100000000, found nothing',
      'chunk.frames: expected a whole number from 1 to 100000000, found nothing',
    ],
  ],
  [
    'JOIN_CHUNKS',
    ['chunk_urls'],
    ['s3://videos/0.mp4'],
    [
      'chunk_urls: expected at least two URIs, found an array of 1 entry',
      'chunks: expected as many entries as chunk_urls has, found an array of 2 entries',
    ],
  ],
  ['JOIN_CHUNKS', ['chunks'], [], ['chunks: expected as many entries as chunk_urls has, found an empty array']],
  ['CONCATENATION', ['segment_urls'], [], ['segment_urls: expected at least one URI, found an empty array']],
  ['CONCATENATION', ['crf'], 52, ['crf: expected a whole number from 0 to 51, found 52']],
  [
    'CONCATENATION',
    ['millrace', 'input_etags', 'segment_urls'],
    5,
    ['millrace.input_etags.segment_urls: expected an ETag, null, or an array of these, found 5'],
  ],
  ['result', ['finished_at'], 'today', ['finished_at: expected a time such as "2026-11-05T10:00:00Z", found "today"']],
];

test.each(cases.map(([name, path, value, texts]) => ({ name, path, value, texts, place: path.join('.') || 'document' })))(
  '$name: $place $#',
  ({ name, path, value, texts }) => {
    const valid: ValidDocument = VALID_DOCUMENTS[name];

    expect(textsOf(valid, withValue(valid.document, path, value))).toEqual(texts);
  },
);

test('two sources with one key are refused', () => {
  const source = { source_uri: 's3://b/k', dest_key: 'inputs/a' };

  expect(textsOf(VALID_DOCUMENTS.sources, { sources: [source, { ...source, dest_key: 'inputs/b' }, source] })).toEqual([
    'sources[2].dest_key: expected another key than sources[0], found "inputs/a"',
  ]);
});

test('a presigned URL as a field name is cut too', () => {
  const texts = textsOf(VALID_DOCUMENTS.encoding, { language: 'en', [`https://b.example.com/k?${SECRET}`]: 1 });

  expect(texts).toEqual([
    '["https://b.example.com/k?…"]: expected no field of this name (known here: language, subtitles), found 1',
  ]);
});

test('a document wrong everywhere reports its first fields only', () => {
  const parsed = parseValue(Segments, { segments: Array.from({ length: 1000 }, () => ({ start_sec: 0, duration_sec: -1 })) });

  expect(parsed).toMatchObject({ ok: false, code: 'MANIFEST_INVALID' });
  const errors = parsed.ok ? [] : parsed.errors;
  expect(errors).toHaveLength(MAX_FIELD_ERRORS);
  expect(errors.at(-1)?.field).toBe(`segments[${MAX_FIELD_ERRORS - 1}].duration_sec`);
});

test('a field that only looks inherited is not taken for one', () => {
  expect(textsOf(VALID_DOCUMENTS.encoding, { constructor: 1 })).toEqual([
    'language: expected a language tag such as "en" or "pt-BR", found nothing',
    'constructor: expected no field of this name (known here: language, subtitles), found 1',
  ]);
});

test('the worker names its own code', () => {
  expect(parseValue(Segments, 5, 'PARAMETERS_INVALID')).toMatchObject({ ok: false, code: 'PARAMETERS_INVALID' });
});
