/** Media that is meant to hurt its reader. */
import { copyFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { wavHeader } from '../../../handlers/wav.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, type TaskBench } from '../handlers/task-bench.ts';

describe.each(ALL_TOOLS)('hostile media, with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  let video: string;
  beforeAll(async () => {
    bench = await startBench(tools);
    video = await makeVideo(tools.ffmpeg, bench.directory, { name: 'video.mp4', width: 160, height: 90, seconds: 3 });
  });
  afterAll(() => bench.close());

  const downsample = async (file: string) => {
    const output_put_url = bench.sink.url('media');
    const answer = await bench.run('DOWNSAMPLING', { original_video_uri: bench.serve(file), resolution: 144, output_put_url });
    expect(bench.sink.taken.has('media')).toBe(false);
    return failed(answer);
  };
  const trim = async (file: string, span = { start_sec: 0, duration_sec: 0.5 }, options: { etag?: string } = {}) => {
    const answer = await bench.run('AUDIO_TRIM', {
      source_uri: bench.serve(file, options),
      ...span,
      output_put_url: bench.sink.url('media'),
    });
    expect(bench.sink.taken.has('media')).toBe(false);
    return failed(answer);
  };

  it('refuses pictures of 16,384 x 16,384 pixels, before they take memory', async () => {
    const small = join(bench.directory, 'small.avi');
    const source = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=5:d=1'];
    await ffmpeg(tools.ffmpeg, [...source, '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', small]);
    const bytes = await readFile(small);
    const frameHeader = Buffer.from([0xff, 0xc0, 0x00, 0x11, 0x08]);
    let patched = 0;
    for (let at = bytes.indexOf(frameHeader); at !== -1; at = bytes.indexOf(frameHeader, at + 9)) {
      bytes.writeUInt32BE(0x4000_4000, at + 5);
      patched++;
    }
    expect(patched).toBeGreaterThan(0);
    const file = join(bench.directory, 'huge.avi');
    await writeFile(file, bytes);
    expect((await downsample(file)).code).toBe('INPUT_INVALID');
  });

  it('refuses a header that promises more than a day', async () => {
    const file = join(bench.directory, 'years.wav');
    const header = wavHeader({ sampleRate: 8000, channels: 1 }, 0xf000_0000);
    // Four billion bytes of one byte a second, near enough.
    header.writeUInt32LE(1000, 24);
    header.writeUInt32LE(2000, 28);
    await writeFile(file, Buffer.concat([header, Buffer.alloc(4096)]));
    await truncate(file, 0xf000_0000);
    // Too large to hash.
    const error = await trim(file, { start_sec: 0, duration_sec: 0.5 }, { etag: 'years' });
    expect(error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('24 hours') });
  });

  it.each([0, 1, 11, 40, 600])('says INPUT_INVALID of a video cut to %i bytes', async (bytes) => {
    const file = join(bench.directory, `cut-${bytes}.mp4`);
    await copyFile(video, file);
    await truncate(file, bytes);
    expect((await downsample(file)).code).toBe('INPUT_INVALID');
    expect((await trim(file)).code).toBe('INPUT_INVALID');
  });

  it.each(['wav', 'flac', 'mp3', 'm4a'])(
    'says INPUT_INVALID or INPUT_TOO_SHORT of half a %s, and what ffmpeg said',
    async (type) => {
      const file = await makeAudio(tools.ffmpeg, bench.directory, { name: `half.${type}`, seconds: 6 });
      await truncate(file, Math.floor((await stat(file)).size / 2));
      const error = await trim(file, { start_sec: 5, duration_sec: 0.5 });
      expect(['INPUT_INVALID', 'INPUT_TOO_SHORT']).toContain(error.code);
    },
  );

  it('says CODEC_UNSUPPORTED of a codec that nobody knows', async () => {
    const file = join(bench.directory, 'codec.mp4');
    const bytes = await readFile(video);
    for (let at = bytes.indexOf('avc1', bytes.indexOf('stsd')); at !== -1; at = bytes.indexOf('avc1', at + 4))
      bytes.write('zz9q', at);
    await writeFile(file, bytes);
    expect((await downsample(file)).code).toBe('CODEC_UNSUPPORTED');
  });

  it('shows what ffmpeg said last, without where its files are', async () => {
    const file = join(bench.directory, 'noise.mp3');
    await writeFile(file, Buffer.alloc(5000, 'noise'));
    const error = await trim(file);
    expect(error.code).toBe('INPUT_INVALID');
    const { stderr_tail } = error.context;
    expect(String(stderr_tail).length).toBeGreaterThan(10);
    expect(stderr_tail).not.toContain('127.0.0.1');
    expect(stderr_tail).not.toContain(bench.directory);
  });

  it('takes a file of nothing but zeros for no media', async () => {
    const file = join(bench.directory, 'zeros.mp4');
    await writeFile(file, Buffer.alloc(1024 * 1024));
    expect((await downsample(file)).code).toBe('INPUT_INVALID');
    expect((await trim(file)).code).toBe('INPUT_INVALID');
  });
});
