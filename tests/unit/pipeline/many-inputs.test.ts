import { expect, test } from 'vitest';
import { createJob, type JobBuilder } from './job-builder.ts';

/** Everything that the final video needs, but for fonts. */
function encodingJob(subtitles = true): JobBuilder {
  return createJob()
    .file('inputs/audio/master.wav')
    .file('stage/concatenation/concatenated.mp4')
    .file('inputs/subtitles/hi.ass')
    .json('stage/encoding/encoding.json', { language: 'hi', subtitles });
}

const fontsOf = (job: JobBuilder): string[] | undefined =>
  job
    .plan()
    .dispatch[0]?.inputs.get('fonts')
    ?.objects.map(({ key }) => key);

test('an encoding does not wait for fonts', () => {
  expect(encodingJob().plan().dispatch).toHaveLength(1);
  expect(fontsOf(encodingJob())).toBeUndefined();
});

test('every font of the job is read, in the order of their keys', () => {
  const job = encodingJob().file('fonts/b.ttf').file('fonts/a.otf').file('fonts/not/here.ttf');
  expect(fontsOf(job)).toEqual(['fonts/a.otf', 'fonts/b.ttf']);
});

test('fonts are read only where subtitles are burnt in', () => {
  expect(fontsOf(encodingJob(false).file('fonts/a.otf'))).toBeUndefined();
});

test('another font makes the video anew, an equal one does not', () => {
  const job = encodingJob().file('fonts/a.otf');
  job.work();
  expect(job.plan().dispatch).toEqual([]);
  job.file('fonts/a.otf');
  expect(job.plan().dispatch).toEqual([]);
  job.file('fonts/b.otf');
  expect(job.plan().dispatch).toMatchObject([{ stage: 'encoding' }]);
});

test('a font that a stage is still fetching is waited for', () => {
  const job = encodingJob().file('fonts/a.otf');
  job.json('inputs/sources.json', { sources: [{ source_uri: 'https://example.com/b.otf', dest_key: 'fonts/b.otf' }] });
  job.work();
  expect(fontsOf(job)).toEqual(['fonts/a.otf', 'fonts/b.otf']);
});
