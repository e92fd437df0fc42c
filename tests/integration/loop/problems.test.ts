import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Problem } from '../../../manifests/problem.ts';
import { eventually, startTestStack, type TestStack } from './stack.ts';

const SEGMENTS_KEY = 'stage/segmentation/segments.json';
const SOURCES_KEY = 'inputs/sources.json';
const ENCODING_KEY = 'stage/encoding/encoding.json';

const segment = (fields: object) => ({
  segments: [
    { start_sec: 0, duration_sec: 1 },
    { start_sec: 1, duration_sec: 2, ...fields },
  ],
});
const source = (fields: object) => ({
  sources: [{ source_uri: 'https://media.example.com/a.m4a', dest_key: 'inputs/data/a.m4a', ...fields }],
});
const stageOf = (fields: object) => ({ version: 1, stages: { one: { task: 'STAGE_OBJECT', output: 'made/one', ...fields } } });

interface Row {
  readonly what: string;
  readonly key: string;
  readonly document: unknown;
  readonly code?: string;
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** Each field of each manifest wrong in turn. */
const ROWS: readonly Row[] = [
  ...rows(SEGMENTS_KEY, [
    ['no start', segment({ start_sec: undefined }), 'segments[1].start_sec', 'a number of at least 0', 'nothing'],
    ['a negative start', segment({ start_sec: -1 }), 'segments[1].start_sec', 'a number of at least 0', '-1'],
    ['a start as text', segment({ start_sec: '1' }), 'segments[1].start_sec', 'a number of at least 0', 'the text "1"'],
    ['no duration', segment({ duration_sec: undefined }), 'segments[1].duration_sec', 'a number above 0', 'nothing'],
    ['a duration of nothing', segment({ duration_sec: 0 }), 'segments[1].duration_sec', 'a number above 0', '0'],
    [
      'milliseconds for seconds',
      segment({ duration_sec: 9_000_000 }),
      'segments[1].duration_sec',
      'seconds; seven days',
      '9000000',
    ],
    ['a target that is too short', segment({ target_sec: 1.5 }), 'segments[1].target_sec', 'at least duration_sec (2)', '1.5'],
    ['no segment', { segments: [] }, 'segments', 'at least one segment', 'an empty array'],
    ['no list', { cuts: [] }, 'segments', 'an array of segments', 'nothing'],
    ['one number', 7, '', 'an array of segments, or an object with "segments"', '7'],
  ]),
  ...rows(SOURCES_KEY, [
    ['no address', source({ source_uri: undefined }), 'sources[0].source_uri', 'URI', 'nothing'],
    [
      'an address of another kind',
      source({ source_uri: 'ftp://media.example.com/a' }),
      'sources[0].source_uri',
      'URI',
      '"ftp://media.example.com/a"',
    ],
    [
      'a key that climbs out',
      source({ dest_key: '../other/a.m4a' }),
      'sources[0].dest_key',
      "a key inside the job's folder",
      '"../other/a.m4a"',
    ],
    [
      'a key that only Millrace writes',
      source({ dest_key: 'results/a.json' }),
      'sources[0].dest_key',
      'a key outside results/, problems/ and webhooks/',
      '"results/a.json"',
    ],
    ['a media type that is none', source({ content_type: 'audio' }), 'sources[0].content_type', 'media type', '"audio"'],
    ['a field that is not known', source({ destkey: 'x' }), 'sources[0].destkey', 'did you mean "dest_key"?', '"x"'],
    ['no source', { sources: [] }, 'sources', 'at least one source', 'an empty array'],
    [
      'two sources with one key',
      { sources: [...source({}).sources, ...source({}).sources] },
      'sources[1].dest_key',
      'another key than sources[0]',
      '"inputs/data/a.m4a"',
    ],
  ]),
  ...rows(ENCODING_KEY, [
    ['no language', {}, 'language', 'a language tag', 'nothing'],
    ['a language that is none', { language: '../en' }, 'language', 'a language tag', '"../en"'],
    ['subtitles as text', { language: 'en', subtitles: 'yes' }, 'subtitles', 'true or false', '"yes"'],
    ['a field that is not known', { language: 'en', subtitle: true }, 'subtitle', 'did you mean "subtitles"?', 'true'],
  ]),
  ...rows('pipeline.json', [
    ['no version', { stages: stageOf({}).stages }, 'version', '1', 'nothing'],
    ['another version', { ...stageOf({}), version: 2 }, 'version', '1', '2'],
    ['no stages', { version: 1 }, 'stages', 'an object', 'nothing'],
    [
      'a stage name that is none',
      { version: 1, stages: { 'Stage One': stageOf({}).stages.one } },
      'stages["Stage One"]',
      'a stage name',
      '"Stage One"',
    ],
    ['a task that nobody has', stageOf({ task: 'TRANSCODE' }), 'stages.one.task', 'one of', '"TRANSCODE"'],
    ['two makers', stageOf({ external: true }), 'stages.one', 'exactly one of task, endpoint, external', 'task and external'],
    ['no output', stageOf({ output: undefined }), 'stages.one.output', 'a key', 'nothing'],
    [
      'an output that climbs out',
      stageOf({ output: '../made' }),
      'stages.one.output',
      "a key inside the job's folder",
      '"../made"',
    ],
    [
      'two stars in an input',
      stageOf({ inputs: { a: { key: 'a/*/*.wav' } } }),
      'stages.one.inputs.a.key',
      'at most one *',
      '"a/*/*.wav"',
    ],
    [
      'a manifest of no type',
      stageOf({ manifest: { keys: ['a.json'], type: 'csv' } }),
      'stages.one.manifest.type',
      'one of',
      '"csv"',
    ],
    [
      'a loop over nothing named',
      stageOf({ for_each: 'manifest.segments' }),
      'stages.one.for_each',
      'one reference such as ${manifest.segments}',
      '"manifest.segments"',
    ],
    [
      'a batch of what has none',
      stageOf({ items_per_run: 4 }),
      'stages.one.items_per_run',
      '1, because only AUDIO_TRIM has a batch form',
      '4',
    ],
    ['too many attempts', stageOf({ max_attempts: 50 }), 'stages.one.max_attempts', 'a whole number from 1 to 12', '50'],
    ['a life shorter than its work', stageOf({ ttl_sec: 60 }), 'stages.one.ttl_sec', 'at least execution_timeout_sec', '60'],
    ['no time to work', stageOf({ execution_timeout_sec: 1 }), 'stages.one.execution_timeout_sec', 'seconds from 5', '1'],
    ['no patience', stageOf({ patience_sec: 0 }), 'stages.one.patience_sec', 'seconds from 1', '0'],
  ]),
  ...rows(
    'pipeline.json',
    [
      [
        'a fan-in on a stage that is not there',
        stageOf({ inputs: { a: { stage: 'two' } } }),
        'stages.one.inputs.a.stage',
        'the name of a stage (one)',
        '"two"',
      ],
      [
        'a reference to an input that is not there',
        stageOf({ parameters: { source_uri: '${inputs.audio}' } }),
        'stages.one.parameters',
        'an input of this stage',
        '${inputs.audio}',
      ],
    ],
    'GRAPH_INVALID',
  ),
  ...rows(
    'pipeline.json',
    [
      [
        'a foreign endpoint',
        { version: 1, stages: { talk: { endpoint: 'somebody-elses', payload: {}, output: 'made/talk' } } },
        'stages.talk.endpoint',
        'an endpoint that the settings name',
        '"somebody-elses"',
      ],
    ],
    'ENDPOINT_NOT_ALLOWED',
  ),
  ...rows('cancel.json', [
    ['a reason that is no text', { reason: 7 }, 'reason', 'text', '7'],
    ['a field that is not known', { why: 'wrong master' }, 'why', 'no field of this name', '"wrong master"'],
  ]),
];

type Cells = readonly [what: string, document: unknown, field: string, expected: string, found: string];

function rows(key: string, cells: readonly Cells[], code = 'MANIFEST_INVALID'): Row[] {
  return cells.map(([what, document, field, expected, found]) => ({ what, key, document, field, expected, found, code }));
}

const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

/** Bad in a way that is no field's. Each lists the keys that its problem is about. */
const OTHERS: readonly { what: string; objects: Record<string, string>; code: string; keys: string[]; says: RegExp }[] = [
  {
    what: 'two masters',
    objects: { 'inputs/audio/master.m4a': 'a', 'inputs/audio/master.wav': 'b', [SEGMENTS_KEY]: JSON.stringify(segment({})) },
    ...{ code: 'INPUT_AMBIGUOUS', keys: ['inputs/audio/master.m4a', 'inputs/audio/master.wav'], says: /must match one object/ },
  },
  {
    what: 'segments.json in two places',
    objects: { 'segments.json': JSON.stringify(segment({})), [SEGMENTS_KEY]: JSON.stringify(segment({})) },
    ...{ code: 'MANIFEST_TWICE', keys: [SEGMENTS_KEY, 'segments.json'], says: /two places/ },
  },
  {
    what: 'segments.json where nothing reads it',
    objects: { 'inputs/segments.json': JSON.stringify(segment({})) },
    ...{
      code: 'MANIFEST_MISPLACED',
      keys: ['inputs/segments.json'],
      says: /stage\/segmentation\/segments\.json or segments\.json/,
    },
  },
  {
    what: 'a source in the folder of somebody else',
    objects: { [SOURCES_KEY]: JSON.stringify(source({ source_uri: 's3://videos/pipelines/somebody-else/exports/output.mp4' })) },
    ...{
      code: 'URI_NOT_ALLOWED',
      keys: [SOURCES_KEY],
      says: /sources\[0\]: expected a URI under s3:\/\/videos\/pipelines\/[a-z0-9-]+\/, .* found "s3:\/\/videos\/pipelines\/somebody-else/,
    },
  },
  {
    what: 'a source that climbs out of its own folder',
    objects: { [SOURCES_KEY]: JSON.stringify(source({ source_uri: 's3://videos/pipelines/other-4/../somebody-else/a.mp4' })) },
    ...{ code: 'URI_NOT_ALLOWED', keys: [SOURCES_KEY], says: /sources\[0\]/ },
  },
  {
    what: 'a manifest that is no JSON',
    objects: { [SEGMENTS_KEY]: '{"segments": [' },
    ...{ code: 'MANIFEST_NOT_JSON', keys: [SEGMENTS_KEY], says: /expected/ },
  },
  {
    what: 'an empty cancel.json',
    objects: { 'cancel.json': '' },
    ...{ code: 'MANIFEST_NOT_JSON', keys: ['cancel.json'], says: /cancel\.json/ },
  },
];

describe('what is wrong with a job is written beside it', () => {
  let stack: TestStack;
  const rowJob = (row: Row) => `row-${ROWS.indexOf(row)}`;
  const otherJob = (index: number) => `other-${index}`;

  beforeAll(async () => {
    stack = await startTestStack({ workers: 0, env: { MILLRACE_SWEEP_SECONDS: '1' } });
    await Promise.all([
      ...ROWS.map((row) => stack.put(rowJob(row), row.key, JSON.stringify(row.document))),
      ...OTHERS.map(async ({ objects }, index) => {
        for (const [key, body] of Object.entries(objects)) await stack.put(otherJob(index), key, body);
      }),
    ]);
  });
  afterAll(() => stack.stop());

  async function problemsOf(job: string): Promise<{ key: string; problem: Problem }[]> {
    const keys = (await stack.keys(job)).filter((key) => key.startsWith('problems/'));
    return Promise.all(
      keys.map(async (key) => ({ key, problem: Problem.parse(JSON.parse((await stack.read(job, key)).toString('utf8'))) })),
    );
  }

  async function untilOneProblem(job: string): Promise<{ key: string; problem: Problem }> {
    await eventually(`${job} has a problem`, async () => (await problemsOf(job)).length > 0);
    const problems = await problemsOf(job);
    expect(problems.map(({ problem }) => problem.code)).toHaveLength(1);
    const [only] = problems;
    if (only === undefined) throw new Error('no problem');
    return only;
  }

  it.each(ROWS)('$key with $what', async (row) => {
    const { key, problem } = await untilOneProblem(rowJob(row));
    const head = await stack.planner.store.head(stack.planner.layout.jobKey(rowJob(row), row.key));
    expect(key).toBe(`problems/${nameOf(row.key)}.${head?.etag}.json`);
    expect(problem).toMatchObject({ version: 1, job: rowJob(row), code: row.code, keys: [row.key] });
    const error = problem.errors.find(({ field }) => field === row.field);
    expect(error, JSON.stringify(problem.errors)).toBeDefined();
    expect(error?.expected).toContain(row.expected);
    expect(error?.found).toBe(row.found);
    expect(error?.text).toBe(`${row.field === '' ? 'document' : row.field}: expected ${error?.expected}, found ${row.found}`);
    expect(problem.message).toContain(row.key);
    expect(problem.fix).not.toBe('');
  });

  it.each(OTHERS.map((other, index) => ({ ...other, job: otherJob(index) })))('$what', async ({ job, code, keys, says }) => {
    await eventually(`${job} has a problem`, async () => (await problemsOf(job)).some(({ problem }) => problem.code === code));
    const found = (await problemsOf(job)).find(({ problem }) => problem.code === code);
    expect(found?.problem.keys.toSorted()).toEqual(keys.toSorted());
    expect(`${found?.problem.message} ${found?.problem.fix}`).toMatch(says);
  });

  it('cancels a job although its cancel.json cannot be read', async () => {
    const job = otherJob(OTHERS.findIndex(({ what }) => what === 'an empty cancel.json'));
    expect((await stack.plan(job)).stopped).toBe('cancelled');
  });

  it('asks RunPod for nothing', () => {
    for (const row of ROWS) expect(stack.dispatched(rowJob(row))).toEqual([]);
    for (const index of OTHERS.keys()) expect(stack.dispatched(otherJob(index))).toEqual([]);
  });

  it('goes on to judge a manifest that was mended, and leaves the old problem where it is', async () => {
    const row = ROWS[0];
    if (row === undefined) throw new Error('no row');
    const job = rowJob(row);
    const old = await untilOneProblem(job);
    await stack.put(job, row.key, JSON.stringify(segment({ duration_sec: -2 })));
    await eventually('the mended manifest has a problem of its own', async () => (await problemsOf(job)).length === 2);
    const fresh = (await problemsOf(job)).find(({ key }) => key !== old.key);
    expect(fresh?.problem.errors[0]?.text).toBe('segments[1].duration_sec: expected a number above 0, found -2');
    await stack.put(job, row.key, JSON.stringify(segment({})));
    await eventually('nothing is wrong any more', async () => (await stack.plan(job)).problems.length === 0);
  });

  it('then is quiet: nothing is written, nothing is in a queue, and nobody looks at a job again', async () => {
    await eventually('all events are settled', async () => (await stack.waitingMessages()) === 0);
    const before = await stack.objects('pipelines/');
    const reconciles = () => stack.lines.filter((line) => line.includes('"reconciled"')).length;
    const reconciledBefore = reconciles();
    for (let look = 0; look < QUIET_LOOKS; look += 1) {
      await sleep(QUIET_LOOK_MS);
      expect(await stack.waitingMessages()).toBe(0);
    }
    expect(await stack.objects('pipelines/')).toEqual(before);
    expect(reconciles()).toBe(reconciledBefore);
    expect(await stack.objects('pipelines-state/claims/')).toEqual([]);
    expect(await stack.objects('pipelines-state/waiting/')).toEqual([]);
    expect(await stack.waitingMessages(stack.stack.description.queue.deadLetterUrl)).toBe(0);
  });
});

/** Some polls and sweep attempts long: there is no signal for nothing happening. */
const QUIET_LOOKS = 10;
const QUIET_LOOK_MS = 250;
