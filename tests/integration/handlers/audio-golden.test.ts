/** The formats and places that cuts go wrong at, against a decode of the whole; and what a master costs the second time. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { silentLogger } from '../../../log.ts';
import { decodedSound, largestDifference } from '../../media/bitstream.ts';
import { type AudioSpec, makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, succeeded, type TaskBench } from './task-bench.ts';

const SECONDS = 6;
/** Two runs of a decoder that makes noise of its own. */
const NOISE = 3;

/** Without the noise that decoders make up where the encoder left a band out: no two decodes of that are alike. */
const AAC = ['-c:a', 'aac', '-aac_pns', '0'] as const;

const MASTERS: readonly (AudioSpec & { readonly tolerance: number })[] = [
  { name: 'first.m4a', codec: [...AAC, '-movflags', '+faststart'], tolerance: NOISE },
  { name: 'last.m4a', codec: [...AAC], tolerance: NOISE },
  { name: 'cbr.mp3', codec: ['-c:a', 'libmp3lame', '-b:a', '128k'], tolerance: 0 },
  { name: 'vbr.mp3', codec: ['-c:a', 'libmp3lame', '-q:a', '5'], tolerance: 0 },
  { name: 'bare.mp3', codec: ['-c:a', 'libmp3lame', '-write_xing', '0', '-id3v2_version', '0'], tolerance: 0 },
  { name: 'adts.aac', sampleRate: 44_100, codec: [...AAC, '-f', 'adts'], tolerance: NOISE },
  { name: 'opus.ogg', codec: ['-c:a', 'libopus'], tolerance: 0 },
  { name: 'deep.wav', codec: ['-c:a', 'pcm_s24le'], tolerance: 0 },
  { name: 'mono.wav', codec: ['-ac', '1'], tolerance: 0 },
  { name: 'plain.flac', sampleRate: 44_100, tolerance: 0 },
];

describe.each(ALL_TOOLS)('golden cuts with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  beforeAll(async () => {
    bench = await startBench(tools);
  });
  afterAll(() => bench.close());

  it.each(MASTERS)('cuts $name at its beginning, in its middle and at its end', async ({ tolerance, ...spec }) => {
    const file = await makeAudio(tools.ffmpeg, bench.directory, { ...spec, seconds: SECONDS });
    const whole = await decodedSound(tools, file);
    const totalSamples = whole.length / 2;
    const source_uri = bench.serve(file);
    const spans = [
      { start: 0, count: 4800 },
      { start: Math.round(totalSamples / 2) + 7, count: 24_001 },
      { start: totalSamples - 2400, count: 2400 },
    ];
    const segments = spans.map(({ start, count }, index) => ({
      ...{ source_uri, start_sec: start / 48_000, duration_sec: count / 48_000 },
      output_put_url: bench.sink.url(`${spec.name}.${index}.wav`),
    }));

    const output = succeeded(await bench.run('AUDIO_TRIM', { segments }));

    expect(output).toMatchObject({ succeeded: spans.length, failed: 0 });
    for (const [index, { start, count }] of spans.entries()) {
      const cut = await decodedSound(tools, await bench.takenFile(`${spec.name}.${index}.wav`));
      const difference = largestDifference(cut, whole.subarray(start * 2, (start + count) * 2));
      expect({ index, samples: cut.length / 2, difference: Math.max(0, difference - tolerance) }).toEqual({
        index,
        samples: count,
        difference: 0,
      });
    }
    const beyond = { source_uri, start_sec: SECONDS + 5, duration_sec: 1, output_put_url: bench.sink.url('beyond.wav') };
    expect(failed(await bench.run('AUDIO_TRIM', beyond)).code).toBe('INPUT_TOO_SHORT');
    expect(bench.sink.taken.has('beyond.wav')).toBe(false);
  });

  it('uploads no silence where the source is loud, and nothing over what is there', async () => {
    const file = await makeAudio(tools.ffmpeg, bench.directory, { name: 'loud.flac', seconds: 2 });
    // The real program, measured as ever, but every byte of sound that it sends becomes a zero.
    const mute = join(bench.directory, 'mute');
    const piped = `*pipe:1*) '${tools.ffmpeg}' "$@" | tr '\\000-\\377' '\\000' ;;`;
    await writeFile(mute, `#!/bin/sh\ncase "$*" in ${piped} *) exec '${tools.ffmpeg}' "$@" ;; esac\n`);
    await chmod(mute, 0o700);
    const runner = bench.runnerWith({ tools: { ...tools, ffmpeg: mute } });
    const parameters = {
      source_uri: bench.serve(file),
      start_sec: 0.5,
      duration_sec: 1,
      output_put_url: bench.sink.url('mute.wav'),
    };
    const run = (on: typeof runner) =>
      on.run(
        { task: 'AUDIO_TRIM', parameters },
        { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger },
      );

    expect(succeeded(await run(bench.runner))).toMatchObject({ peak_dbfs: expect.closeTo(-3.1, 0) });
    const good = bench.sink.taken.get('mute.wav');
    const error = failed(await run(runner));

    expect(error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringContaining('dBFS') });
    expect(bench.sink.taken.get('mute.wav')).toBe(good);
  });

  describe('a master that has to be made seekable', () => {
    const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger };
    /** What an input is opened with; the whole is many times that. */
    const OPENING_BYTES = 256 * 1024;
    let file: string;
    beforeAll(async () => {
      const codec = ['-c:a', 'libmp3lame', '-b:a', '320k'];
      file = await makeAudio(tools.ffmpeg, bench.directory, { name: 'long.mp3', seconds: 60, codec });
    });

    const trimOf = (source_uri: string, start_sec: number, name: string) => ({
      task: 'AUDIO_TRIM',
      parameters: { source_uri, start_sec, duration_sec: 0.5, output_put_url: bench.sink.url(name) },
    });

    it('is read whole once for a worker, however its URLs are signed, and again for another version', async () => {
      const runner = bench.runnerWith({});
      const url = bench.serve(file);
      const bytesRead = async (source: string, start: number) =>
        Number(succeeded(await runner.run(trimOf(source, start, `n${start}.wav`), scope)).bytes_read);
      const first = await bytesRead(url, 50);
      const second = await bytesRead(`${url}&X-Amz-Date=20260102T000000Z`, 20);
      expect(first).toBeGreaterThan(8 * OPENING_BYTES);
      expect(second).toBeLessThanOrEqual(OPENING_BYTES);
      const found = bench.origin.files.get(decodeURIComponent(new URL(url).pathname.slice(1)));
      if (found !== undefined) found.etag = 'another-version';
      expect(await bytesRead(url, 10)).toBeGreaterThan(8 * OPENING_BYTES);
      const whole = await decodedSound(tools, file);
      const cut = await decodedSound(tools, await bench.takenFile('n20.wav'));
      expect(largestDifference(cut, whole.subarray(20 * 96_000, 20.5 * 96_000))).toBe(0);
    });

    it('is made once for runs that want it at the same time', async () => {
      const runner = bench.runnerWith({});
      const url = bench.serve(file);
      const runs = [5, 15, 25, 35].map((start) => runner.run(trimOf(url, start, `t${start}.wav`), scope));
      const read = (await Promise.all(runs)).map((answer) => Number(succeeded(answer).bytes_read));
      expect(read.filter((bytes) => bytes > 8 * OPENING_BYTES)).toHaveLength(1);
    });

    it('is not kept where nothing may be kept', async () => {
      const runner = bench.runnerWith({ masterCacheBytes: 0 });
      const url = bench.serve(file);
      for (const start of [5, 15]) {
        expect(Number(succeeded(await runner.run(trimOf(url, start, 'u.wav'), scope)).bytes_read)).toBeGreaterThan(
          8 * OPENING_BYTES,
        );
      }
    });

    it.each([
      { name: 'long.ogg', codec: ['-c:a', 'libopus', '-b:a', '256k'] },
      { name: 'long.mka', codec: ['-c:a', 'flac'] },
    ])('is decoded once for a worker where it is $name, and every cut is as of the whole', async (spec) => {
      const seconds = 20;
      const decodable = await makeAudio(tools.ffmpeg, bench.directory, { ...spec, seconds });
      const heard = { ...scope, log: bench.logger };
      const runner = bench.runnerWith({});
      const url = bench.serve(decodable);
      const whole = await decodedSound(tools, decodable);
      for (const [index, start] of [12, 3, 19].entries()) {
        const name = `${spec.name}.${start}.wav`;
        const read = Number(succeeded(await runner.run(trimOf(url, start, name), heard)).bytes_read);
        // The first is for a place in the middle: what lies behind it must be there for the third.
        if (index > 0) expect(read).toBeLessThanOrEqual(OPENING_BYTES);
        const cut = await decodedSound(tools, await bench.takenFile(name));
        expect(cut.length).toBe(48_000);
        expect(largestDifference(cut, whole.subarray(start * 96_000, (start + 0.5) * 96_000))).toBe(0);
      }
      expect(
        bench.lines.filter((line) => line.includes('cannot be trusted to seek') && line.includes(new URL(url).pathname)),
      ).toHaveLength(1);
    });

    it('is decoded for each run, and only as far as it is needed, where it is too large to keep', async () => {
      const decodable = await makeAudio(tools.ffmpeg, bench.directory, {
        name: 'large.ogg',
        seconds: 20,
        codec: ['-c:a', 'libopus'],
      });
      const heard = { ...scope, log: bench.logger };
      const runner = bench.runnerWith({ masterCacheBytes: 2_000_000 });
      const url = bench.serve(decodable);
      for (const start of [1, 2]) succeeded(await runner.run(trimOf(url, start, 'large.wav'), heard));
      const decodes = bench.lines.filter(
        (line) => line.includes('cannot be trusted to seek') && line.includes(new URL(url).pathname),
      );
      expect(decodes.map((line) => JSON.parse(line).whole)).toEqual([false, false]);
    });
  });
});
