import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../loop/stack.ts';
import { type Ended, millrace } from './millrace.ts';

const FILES = {
  'talk.m4a': 'sound',
  'film.mov': 'film',
  'face.PNG': 'face',
  'en.ass': 'words',
  'segment_0.mp4': 'clip',
  'segments.json': '[{"start_sec":0,"duration_sec":1}]',
  'encoding.json': '{"language":"en","subtitles":true}',
  'pipeline.json': '{"version":1,"stages":{"one":{"external":true,"output":"made/one"}}}',
  'notes.txt': 'notes',
  'bad/segments.json': '[{"start_sec":0,"duration_sec":-2}]',
  'bad/pipeline.json': '{"version":1,"stages":{"one":{"task":"STAGE_OBJECT","output":"a","inputs":{"b":{"stage":"two"}}}}}',
  'other.wav': 'other sound',
} as const;

describe('submit', () => {
  let directory: string;
  let stack: TestStack;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-submit-'));
    await mkdir(join(directory, 'bad'));
    for (const [name, body] of Object.entries(FILES)) await writeFile(join(directory, name), body);
    stack = await startTestStack({ workers: 0, consume: false });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const submit = (job: string, ...files: string[]): Promise<Ended> =>
    millrace(['submit', job, ...files], { cwd: directory, env: { ...stack.environment } });

  it('writes pipeline.json first, manifests last, and everything where its name says', async () => {
    const names = [
      'segments.json',
      'encoding.json',
      'talk.m4a',
      'film.mov',
      'face.PNG',
      'en.ass',
      'segment_0.mp4',
      'pipeline.json',
    ];
    const { code, stdout, stderr } = await submit('named', ...names, 'inputs/data/notes.txt=notes.txt');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const written = [...stdout.matchAll(/^(\S+) → s3:\/\/videos\/pipelines\/named\/(\S+) \((\d+) B\)$/gm)].map(
      ([, file, key, bytes]) => [file, key, Number(bytes)],
    );
    expect(written).toEqual([
      ['pipeline.json', 'pipeline.json', 68],
      ['talk.m4a', 'inputs/audio/master.m4a', 5],
      ['film.mov', 'inputs/video/source.mov', 4],
      ['face.PNG', 'inputs/image/presenter.png', 4],
      ['en.ass', 'inputs/subtitles/en.ass', 5],
      ['segment_0.mp4', 'stage/clips/segment_0.mp4', 4],
      ['notes.txt', 'inputs/data/notes.txt', 5],
      ['segments.json', 'stage/segmentation/segments.json', 34],
      ['encoding.json', 'stage/encoding/encoding.json', 34],
    ]);
    const { store, layout } = stack.planner;
    const times = await Promise.all(
      written.map(async ([, key]) => (await store.head(layout.jobKey('named', String(key))))?.lastModifiedMs ?? 0),
    );
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect((await stack.read('named', 'inputs/data/notes.txt')).toString()).toBe('notes');
  });

  it.each([
    {
      what: 'a manifest with a wrong field',
      files: ['talk.m4a', 'bad/segments.json'],
      code: 65,
      says: 'segments[0].duration_sec: expected a number above 0, found -2',
    },
    {
      what: 'a pipeline that contradicts itself',
      files: ['talk.m4a', 'bad/pipeline.json'],
      code: 65,
      says: 'stages.one.inputs.b.stage: expected the name of a stage (one), found "two"',
    },
    { what: 'a file whose place cannot be told', files: ['talk.m4a', 'notes.txt'], code: 64, says: 'KEY=FILE' },
    {
      what: 'two files for one place',
      files: ['inputs/audio/master.m4a=other.wav', 'talk.m4a'],
      code: 64,
      says: 'other.wav and talk.m4a would both become inputs/audio/master.*',
    },
    { what: 'a file that is not there', files: ['talk.m4a', 'missing.mov'], code: 64, says: 'missing.mov cannot be read' },
    { what: 'a folder', files: ['inputs/data/bad=bad'], code: 64, says: 'bad is no file' },
    { what: 'a key that climbs out', files: ['../other/a.m4a=talk.m4a'], code: 64, says: 'no key inside a job' },
    { what: 'a key that only Millrace writes', files: ['results/a.json=talk.m4a'], code: 64, says: 'no key inside a job' },
    { what: 'no file at all', files: [], code: 64, says: "missing required argument 'files'" },
  ])('refuses $what before it writes anything', async ({ files, code, says }) => {
    const ended = await submit('refused', ...files);
    expect(ended).toMatchObject({ code, stdout: '' });
    expect(ended.stderr).toContain(says);
    expect(await stack.keys('refused')).toEqual([]);
  });

  it('refuses two masters of different types, which only a problem object would tell of', async () => {
    const ended = await submit('twice', 'talk.m4a', 'other.wav');
    expect(ended).toMatchObject({ code: 64, stdout: '' });
    expect(ended.stderr).toContain('talk.m4a');
    expect(await stack.keys('twice')).toEqual([]);
  });
});
