import { copyFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { wavHeader } from '../../../handlers/wav.ts';
import { decodedSound, largestDifference, mediaOf, peak } from '../../media/bitstream.ts';
import { type AudioSpec, ffmpeg, makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { expectNoSecrets, failed, runContext, startBench, succeeded, type TaskBench } from './task-bench.ts';

const MASTER_SECONDS = 8;

/** AAC's decoder fills silence with noise of its own, so two decodes of it differ by a hair. */
const MASTERS: readonly (AudioSpec & { readonly tolerance: number })[] = [
  { name: 'm48.wav', tolerance: 0 },
  { name: 'm48.flac', tolerance: 0 },
  { name: 'm48.mp3', tolerance: 0 },
  { name: 'm48.m4a', tolerance: 3 },
  { name: 'm44.wav', sampleRate: 44_100, tolerance: 0 },
  { name: 'm44.mp3', sampleRate: 44_100, tolerance: 0 },
  { name: 'm44.m4a', sampleRate: 44_100, tolerance: 3 },
  { name: 'm48.aac', tolerance: 3 },
  { name: 'm48.webm', codec: ['-c:a', 'libopus'], tolerance: 0 },
];

const SPANS = [
  { start_sec: 0, duration_sec: 1 },
  { start_sec: 0.2, duration_sec: 0.5 },
  { start_sec: 3.123456, duration_sec: 1.3333 },
  { start_sec: 6.5, duration_sec: 1.4 },
];

describe.each(ALL_TOOLS)('AUDIO_TRIM with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  const made = new Map<string, string>();
  const master = (name: string) => made.get(name) ?? '';

  beforeAll(async () => {
    bench = await startBench(tools);
    for (const spec of MASTERS)
      made.set(spec.name, await makeAudio(tools.ffmpeg, bench.directory, { ...spec, seconds: MASTER_SECONDS }));
  });
  afterAll(() => bench.close());

  it.each(MASTERS)('cuts $name into the same samples as a decode of the whole', async ({ name, tolerance }) => {
    const source_uri = bench.serve(master(name));
    const whole = await decodedSound(tools, master(name));
    const segments = SPANS.map((span, index) => ({
      ...span,
      source_uri,
      output_put_url: bench.sink.url(`${name}-${index}.wav`),
    }));

    const output = succeeded(await bench.run('AUDIO_TRIM', { segments }));

    expect(output).toMatchObject({ succeeded: SPANS.length, failed: 0 });
    for (const [index, { start_sec, duration_sec }] of SPANS.entries()) {
      const cut = await bench.takenFile(`${name}-${index}.wav`);
      const start = Math.round(start_sec * 48_000);
      const count = Math.round(duration_sec * 48_000);
      expect((await mediaOf(tools, cut)).audio).toMatchObject({
        samples: count,
        sampleRate: 48_000,
        channels: 2,
        codec: 'pcm_s16le',
      });
      const expected = whole.subarray(start * 2, (start + count) * 2);
      expect(largestDifference(await decodedSound(tools, cut), expected)).toBeLessThanOrEqual(tolerance);
    }
  });

  it('pads with silence to target_sec, and never shortens', async () => {
    const source_uri = bench.serve(master('m48.wav'));
    const output = succeeded(
      await bench.run('AUDIO_TRIM', {
        ...{ source_uri, start_sec: 1, duration_sec: 1, target_sec: 1.5 },
        output_put_url: bench.sink.url('padded.wav'),
      }),
    );
    const sound = await decodedSound(tools, await bench.takenFile('padded.wav'));
    expect(sound.length).toBe(1.5 * 48_000 * 2);
    expect(output).toMatchObject({ samples: 72_000, padded_samples: 24_000, duration_sec: 1.5 });
    expect(peak(sound, 0.9, 1)).toBeGreaterThan(1000);
    expect(peak(sound, 1, 1.5)).toBe(0);
  });

  it('writes a header whose sizes are those of the file', async () => {
    const source_uri = bench.serve(master('m48.mp3'));
    const url = bench.sink.url('sizes.wav');
    succeeded(await bench.run('AUDIO_TRIM', { source_uri, start_sec: 2, duration_sec: 0.1, output_put_url: url }));
    const body = bench.sink.taken.get('sizes.wav')?.body ?? Buffer.alloc(0);
    expect(body.readUInt32LE(4)).toBe(body.length - 8);
    expect(body.readUInt32LE(40)).toBe(body.length - 44);
    expect(body.length).toBe(44 + 4800 * 4);
  });

  it('pads a segment that ends up to 50 ms past its master', async () => {
    const source_uri = bench.serve(master('m48.wav'));
    const parameters = { source_uri, start_sec: 7, duration_sec: 1.04, output_put_url: bench.sink.url('overhang.wav') };
    expect(succeeded(await bench.run('AUDIO_TRIM', parameters))).toMatchObject({ samples: 49_920, padded_samples: 1920 });
  });

  it.each([
    { start_sec: 7, duration_sec: 1.1, end: '8.100' },
    { start_sec: 7, duration_sec: 60, end: '67.000' },
    { start_sec: 3600, duration_sec: 5, end: '3605.000' },
  ])('refuses a segment that ends at $end s and names both times', async ({ start_sec, duration_sec, end }) => {
    const source_uri = bench.serve(master('m48.flac'));
    const url = bench.sink.url(`short-${end}.wav`);
    const error = failed(await bench.run('AUDIO_TRIM', { source_uri, start_sec, duration_sec, output_put_url: url }));
    expect(error.code).toBe('INPUT_TOO_SHORT');
    expect(error.message).toContain(`${end} s`);
    expect(error.message).toContain('8.000 s');
    expect(bench.sink.taken.has(`short-${end}.wav`)).toBe(false);
  });

  it('settles each segment of a batch by itself, the failed one too', async () => {
    const source_uri = bench.serve(master('m48.m4a'));
    const segment = (item: string, start_sec: number) => ({
      ...{ source_uri, start_sec, duration_sec: 0.5, output_put_url: bench.sink.url(`batch-${item}.wav`) },
      millrace: runContext(bench, item, { output_uri: `s3://videos/pipelines/job-1/batch-${item}.wav` }),
    });
    const answer = await bench.run('AUDIO_TRIM', { segments: [segment('b0', 0), segment('b1', 100), segment('b2', 2)] });

    expect(succeeded(answer)).toMatchObject({
      ...{ statusCode: 200, succeeded: 2, failed: 1, body: 'Trimmed 2 of 3 segments.' },
      segments: [
        { index: 0, item: 'b0', output_uri: 's3://videos/pipelines/job-1/batch-b0.wav' },
        { index: 1, item: 'b1', error: { code: 'INPUT_TOO_SHORT', retryable: false } },
        { index: 2, item: 'b2', samples: 24_000 },
      ],
    });
    expect(bench.sink.json('b0.succeeded.json')).toMatchObject({
      status: 'succeeded',
      item: 'b0',
      written_by: 'worker',
      output: { samples: 24_000 },
    });
    expect(bench.sink.json('b1.failed.json')).toMatchObject({ status: 'failed', item: 'b1', error: { code: 'INPUT_TOO_SHORT' } });
    expect(bench.sink.json('b2.succeeded.json')).toMatchObject({
      attempt: 1,
      fingerprint: 'f'.repeat(16),
      task: 'AUDIO_TRIM',
      run_id: 'run-1',
    });
    expect(bench.sink.taken.has('b0.failed.json')).toBe(false);
    expectNoSecrets(bench, answer);
  });

  it('opens a master once for all the URLs that it was presigned with', async () => {
    const signed = bench.serve(master('m48.mp3'));
    const segments = [0, 1, 2].map((index) => ({
      ...{ source_uri: `${signed}&X-Amz-Date=2026010${index + 1}T000000Z`, start_sec: index, duration_sec: 0.5 },
      output_put_url: bench.sink.url(`signed-${index}.wav`),
    }));
    const before = bench.origin.requests.length;
    expect(succeeded(await bench.run('AUDIO_TRIM', { segments }))).toMatchObject({ succeeded: 3 });
    expect(bench.origin.requests.slice(before).filter(({ range }) => range?.startsWith('bytes=0-') === true)).toHaveLength(1);
  });

  it('fails a batch of which every segment failed, with each result written once', async () => {
    const source_uri = bench.origin.url('nothing-here.wav');
    const segment = (item: string) => ({
      ...{ source_uri, start_sec: 0, duration_sec: 0.5, output_put_url: bench.sink.url(`${item}.wav`) },
      millrace: runContext(bench, item),
    });
    const error = failed(await bench.run('AUDIO_TRIM', { segments: [segment('a0'), segment('a1')] }));
    expect(error.code).toBe('SOURCE_MISSING');
    expect(bench.sink.order.filter((name) => /^a[01]\.failed/.test(name)).sort()).toEqual(['a0.failed.json', 'a1.failed.json']);
  });

  it('reads a short piece of a long master, not the whole', async () => {
    const file = join(bench.directory, 'long.wav');
    const dataBytes = 300 * 48_000 * 4;
    await writeFile(
      file,
      Buffer.concat([wavHeader({ sampleRate: 48_000, channels: 2 }, dataBytes), Buffer.alloc(dataBytes, 'sound')]),
    );
    const source_uri = bench.serve(file);
    const url = bench.sink.url('piece.wav');
    const output = succeeded(await bench.run('AUDIO_TRIM', { source_uri, start_sec: 200, duration_sec: 2, output_put_url: url }));
    // What lies in sockets' buffers when ffmpeg hangs up has been read too.
    expect(Number(output.bytes_read)).toBeLessThan(dataBytes / 4);
    expect(bench.origin.requests.every(({ range }) => range !== undefined)).toBe(true);
  });

  it('cuts from a server that knows no ranges', async () => {
    const source_uri = bench.serve(master('m48.flac'), { ranges: false, length: false });
    const url = bench.sink.url('unranged.wav');
    const output = succeeded(await bench.run('AUDIO_TRIM', { source_uri, start_sec: 3, duration_sec: 1, output_put_url: url }));
    expect(output.samples).toBe(48_000);
    const whole = await decodedSound(tools, master('m48.flac'));
    const cut = await decodedSound(tools, await bench.takenFile('unranged.wav'));
    expect(largestDifference(cut, whole.subarray(3 * 96_000, 4 * 96_000))).toBe(0);
  });

  it.each([
    { name: 'late.mov', codec: 'pcm_s16le' },
    { name: 'late.mkv', codec: 'flac' },
  ])('cuts sound that begins after the pictures of $name where it is heard', async ({ name, codec }) => {
    const [voice, pictures, late] = ['late.wav', 'pictures.mp4', name].map((each) => join(bench.directory, each));
    await makeAudio(tools.ffmpeg, bench.directory, { name: 'late.wav', seconds: 3.5 });
    const video = ['-f', 'lavfi', '-i', 'color=gray:s=64x64:r=25:d=4', '-c:v', 'libx264', '-pix_fmt', 'yuv420p'];
    await ffmpeg(tools.ffmpeg, [...video, pictures ?? '']);
    const tracks = ['-i', pictures ?? '', '-itsoffset', '0.5', '-i', voice ?? '', '-c:v', 'copy', '-c:a', codec];
    await ffmpeg(tools.ffmpeg, [...tracks, late ?? '']);
    const heard = Int16Array.from([...new Int16Array(0.5 * 96_000), ...(await decodedSound(tools, voice ?? ''))]);
    const starts = [0, 0.3, 0.75, 2, 3];
    const source_uri = bench.serve(late ?? '');
    const url = (start: number) => bench.sink.url(`${name}-${start}.wav`);
    const segments = starts.map((start) => ({ source_uri, start_sec: start, duration_sec: 1, output_put_url: url(start) }));

    expect(succeeded(await bench.run('AUDIO_TRIM', { segments }))).toMatchObject({ succeeded: starts.length });

    for (const start of starts) {
      const cut = await decodedSound(tools, await bench.takenFile(`${name}-${start}.wav`));
      expect([start, largestDifference(cut, heard.subarray(start * 96_000, (start + 1) * 96_000))]).toEqual([start, 0]);
    }
  });

  it('calls a master damaged whose sound breaks off before its header says', async () => {
    const file = join(bench.directory, 'broken.m4a');
    const whole = await makeAudio(tools.ffmpeg, bench.directory, { name: 'front.m4a', codec: ['-movflags', '+faststart'] });
    await copyFile(whole, file);
    await truncate(file, Math.floor((await stat(file)).size / 2));
    const source_uri = bench.serve(file);
    const url = bench.sink.url('broken.wav');
    const error = failed(await bench.run('AUDIO_TRIM', { source_uri, start_sec: 6, duration_sec: 1, output_put_url: url }));
    expect(error.code).toBe('INPUT_INVALID');
    expect(bench.sink.taken.has('broken.wav')).toBe(false);
  });
});
