import { describe, expect, it } from 'vitest';
import { inWritingOrder, jobFile } from '../../../cli/job-files.ts';

describe('where a file belongs in a job', () => {
  it.each([
    ['talk.m4a', 'inputs/audio/master.m4a'],
    ['/recordings/Final Mix.WAV', 'inputs/audio/master.wav'],
    ['film.mov', 'inputs/video/source.mov'],
    ['face.jpeg', 'inputs/image/presenter.jpeg'],
    ['subtitles/pt-BR.ass', 'inputs/subtitles/pt-BR.ass'],
    ['clips/segment_12.mp4', 'stage/clips/segment_12.mp4'],
    ['segment_x.mp4', 'inputs/video/source.mp4'],
    ['a/sources.json', 'inputs/sources.json'],
    ['a/segments.json', 'stage/segmentation/segments.json'],
    ['a/intro.segments.json', 'stage/segmentation/segments.json'],
    ['a/encoding.json', 'stage/encoding/encoding.json'],
    ['a/pipeline.json', 'pipeline.json'],
    ['a/cancel.json', 'cancel.json'],
    ['a/webhooks.json', 'webhooks.json'],
  ])('%s becomes %s', (path, key) => {
    expect(jobFile(path)).toEqual({ path, key });
  });

  it('is what KEY= says, also where the file has an equals sign in its name', () => {
    expect(jobFile('inputs/data/a.txt=notes=2.txt')).toEqual({ path: 'notes=2.txt', key: 'inputs/data/a.txt' });
  });

  it.each(['notes.txt', 'noextension', 'segments.yaml', 'cuts.json'])('cannot be told of %s', (name) => {
    expect(() => jobFile(name)).toThrow(expect.objectContaining({ code: 'USAGE', fix: expect.stringContaining('KEY=FILE') }));
  });

  it('is asked for with the path as it was given', () => {
    expect(() => jobFile('notes/a.txt')).toThrow(
      expect.objectContaining({ fix: expect.stringContaining('inputs/data/a.txt=notes/a.txt') }),
    );
  });

  it.each(['/a', '../a', 'a/../b', 'a//b', '', 'results/a', 'problems/a.json', 'webhooks/a.json', 'a\\b'])(
    'is never %j',
    (key) => {
      expect(() => jobFile(`${key}=talk.m4a`)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    },
  );
});

describe('the order in which files are written', () => {
  it('puts pipeline.json first and manifests last, and leaves the rest as it was', () => {
    const keys = ['segments.json', 'inputs/b', 'cancel.json', 'pipeline.json', 'inputs/a', 'stage/encoding/encoding.json'];
    const ordered = inWritingOrder(keys.map((key) => ({ path: key, key })));
    expect(ordered.map(({ key }) => key)).toEqual([
      'pipeline.json',
      'inputs/b',
      'inputs/a',
      'segments.json',
      'cancel.json',
      'stage/encoding/encoding.json',
    ]);
  });
});
