import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { decodedSound, mediaOf, peak, pictureAt, pictureDifference, pictureTimes } from '../../media/bitstream.ts';
import { ffmpeg, makeAudio, makeVideo, type VideoSpec } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { expectNoSecrets, failed, runContext, startBench, succeeded, type TaskBench } from './task-bench.ts';

describe.each(ALL_TOOLS)('videos with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  const video = (spec: VideoSpec) => makeVideo(tools.ffmpeg, bench.directory, spec);

  beforeAll(async () => {
    bench = await startBench(tools);
  });
  afterAll(() => bench.close());

  describe('DOWNSAMPLING', () => {
    it.each([
      { what: 'landscape', spec: { width: 640, height: 360 }, resolution: '180p', size: [320, 180] },
      { what: 'portrait, whose height counts', spec: { width: 270, height: 480 }, resolution: 240, size: [136, 240] },
      { what: 'turned by its metadata', spec: { width: 480, height: 270, rotate: 90 }, resolution: '240', size: [136, 240] },
      {
        what: 'smaller than asked for, which stays as it is',
        spec: { width: 320, height: 180 },
        resolution: '720p',
        size: [320, 180],
      },
      { what: 'of odd size', spec: { width: 427, height: 241, pixelFormat: 'yuv444p' }, resolution: '480p', size: [426, 240] },
    ])('keeps the shape of a video that is $what', async ({ what, spec, resolution, size: [width, height] }) => {
      const source = await video({ name: `down-${width}x${height}-${what.length}.mp4`, seconds: 1, ...spec });
      const original_video_uri = bench.serve(source);

      const output = succeeded(
        await bench.run('DOWNSAMPLING', { original_video_uri, resolution, output_put_url: bench.sink.url('down.mp4') }),
      );

      const made = await mediaOf(tools, await bench.takenFile('down.mp4'));
      expect(made.video).toMatchObject({
        width,
        height,
        displayWidth: width,
        displayHeight: height,
        codec: 'h264',
        pixelFormat: 'yuv420p',
        frames: 25,
      });
      expect(made.audio).toMatchObject({ codec: 'aac' });
      expect(output).toMatchObject({ statusCode: 200, width, height, duration_sec: expect.closeTo(1, 1) });
      expect(bench.sink.taken.get('down.mp4')?.headers['content-type']).toBe('video/mp4');
    });

    it('shows the pictures upright that a phone recorded sideways', async () => {
      const upright = await video({ name: 'upright.mp4', width: 480, height: 270, seconds: 1, audio: false });
      const turned = await video({ name: 'turned.mp4', width: 480, height: 270, seconds: 1, audio: false, rotate: 180 });
      for (const [name, file] of [
        ['u.mp4', upright],
        ['t.mp4', turned],
      ] as const) {
        succeeded(
          await bench.run('DOWNSAMPLING', {
            original_video_uri: bench.serve(file),
            resolution: 270,
            output_put_url: bench.sink.url(name),
          }),
        );
      }
      const first = await pictureAt(tools, await bench.takenFile('u.mp4'), 0.2);
      const second = await pictureAt(tools, await bench.takenFile('t.mp4'), 0.2);
      expect(pictureDifference(first, Buffer.from(second).reverse())).toBeLessThan(3);
      expect(pictureDifference(first, second)).toBeGreaterThan(20);
    });

    it('puts the index first, and copes with a video without sound', async () => {
      const source = await video({ name: 'mute.mp4', width: 320, height: 180, audio: false });
      succeeded(
        await bench.run('DOWNSAMPLING', {
          original_video_uri: bench.serve(source),
          resolution: 144,
          output_put_url: bench.sink.url('mute.mp4'),
        }),
      );
      const body = bench.sink.taken.get('mute.mp4')?.body ?? Buffer.alloc(0);
      expect(body.indexOf('moov')).toBeGreaterThan(0);
      expect(body.indexOf('moov')).toBeLessThan(body.indexOf('mdat'));
      expect((await mediaOf(tools, await bench.takenFile('mute.mp4'))).audio).toBeUndefined();
    });

    it('sends the signed headers, then writes its result, without a query string anywhere', async () => {
      const source = await video({ name: 'signed.mp4', width: 320, height: 180, seconds: 1 });
      const before = bench.sink.order.length;
      const answer = await bench.run('DOWNSAMPLING', {
        ...{ original_video_uri: bench.serve(source), resolution: '144p', output_put_url: bench.sink.url('signed.mp4') },
        millrace: runContext(bench, 'whole', {
          output_put_headers: { 'x-amz-meta-fingerprint': 'abc', 'Content-Type': 'video/x-signed' },
        }),
      });
      expect(bench.sink.order.slice(before)).toEqual(['signed.mp4', 'whole.succeeded.json']);
      expect(bench.sink.taken.get('signed.mp4')?.headers).toMatchObject({
        'x-amz-meta-fingerprint': 'abc',
        'content-type': 'video/x-signed',
      });
      expect(succeeded(answer).output_uri).toBe(`http://${bench.sink.host}/signed.mp4`);
      expect(bench.progress.at(-1)?.percent).toBeGreaterThan(50);
      expectNoSecrets(bench, answer);
    });
  });

  describe('ENCODING', () => {
    const subtitles = (style: string) =>
      [
        ...['[Script Info]', 'ScriptType: v4.00+', 'PlayResX: 320', 'PlayResY: 180', '', '[V4+ Styles]'],
        'Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding',
        `Style: Default,${style},40,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,5,0,0,0,1`,
        ...['', '[Events]', 'Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text'],
        ...['Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,MILLRACE', ''],
      ].join('\n');

    it.each([
      { what: 'in a font that comes with the worker', name: 'known.ass', text: subtitles('DejaVu Sans') },
      { what: 'in a font that is nowhere', name: 'unknown.ass', text: subtitles('No Such Font At All') },
      { what: 'from SubRip', name: 'titles.srt', text: '1\n00:00:01,000 --> 00:00:02,000\nMILLRACE MILLRACE\n' },
    ])('burns in subtitles $what, only while they last', async ({ name, text }) => {
      const file = join(bench.directory, name);
      await writeFile(file, text);
      const input_video_uri = bench.serve(await video({ name: 'grey.mp4', width: 320, height: 180, seconds: 3, color: 'gray' }));
      const input_audio_uri = bench.serve(await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 3 }));
      const parameters = {
        id: 'video-7',
        language: 'en',
        input_video_uri,
        input_audio_uri,
        output_put_url: bench.sink.url('burnt.mp4'),
      };

      const output = succeeded(await bench.run('ENCODING', { ...parameters, subtitles: true, subtitles_uri: bench.serve(file) }));

      expect(output).toMatchObject({ statusCode: 200, _id: 'video-7' });
      const made = await bench.takenFile('burnt.mp4');
      const [before, during, after] = await Promise.all([0.5, 1.5, 2.5].map((at) => pictureAt(tools, made, at)));
      expect(pictureDifference(before ?? Buffer.alloc(0), during ?? Buffer.alloc(0))).toBeGreaterThan(0.3);
      expect(pictureDifference(before ?? Buffer.alloc(0), after ?? Buffer.alloc(0))).toBeLessThan(0.1);
    });

    it.each([
      { what: 'shorter', audioSeconds: 1, heard: [0.2, 0.8], silent: [1.3, 2.4] },
      { what: 'longer', audioSeconds: 6, heard: [2, 2.4], silent: undefined },
    ])(
      'replaces the sound by one that is $what, and lasts as long as the pictures',
      async ({ what, audioSeconds, heard, silent }) => {
        const input_video_uri = bench.serve(
          await video({ name: 'pictures.mp4', width: 321, height: 181, pixelFormat: 'yuv444p', seconds: 2.5 }),
        );
        const input_audio_uri = bench.serve(
          await makeAudio(tools.ffmpeg, bench.directory, { name: `${what}.mp3`, seconds: audioSeconds }),
        );
        const output_put_url = bench.sink.url('sound.mp4');
        const output = succeeded(
          await bench.run('ENCODING', {
            id: 'v',
            language: 'en',
            subtitles: false,
            input_video_uri,
            input_audio_uri,
            output_put_url,
          }),
        );

        const made = await bench.takenFile('sound.mp4');
        const info = await mediaOf(tools, made);
        expect(info.video).toMatchObject({
          width: 320,
          height: 180,
          pixelFormat: 'yuv420p',
          durationSeconds: expect.closeTo(2.52, 1),
        });
        expect(output).toMatchObject({ width: 320, height: 180 });
        expect(Math.abs((info.durationSeconds ?? 0) - 2.5)).toBeLessThan(0.05);
        const sound = await decodedSound(tools, made);
        expect(peak(sound, heard[0] ?? 0, heard[1] ?? 0)).toBeGreaterThan(5000);
        if (silent !== undefined) expect(peak(sound, silent[0] ?? 0, silent[1] ?? 0)).toBeLessThan(50);
      },
    );

    it('keeps sound late that begins late in its own file, and fills the time before it', async () => {
      const late = join(bench.directory, 'late.mkv');
      const voice = await makeAudio(tools.ffmpeg, bench.directory, { name: 'late-voice.wav', seconds: 1 });
      const moving = await video({ name: 'moving.mp4', width: 160, height: 90, seconds: 2, audio: false });
      await ffmpeg(tools.ffmpeg, ['-i', moving, '-itsoffset', '0.7', '-i', voice, '-c:v', 'copy', '-c:a', 'flac', late]);
      const inputs = { input_video_uri: bench.serve(moving), input_audio_uri: bench.serve(late) };
      const output_put_url = bench.sink.url('late.mp4');
      succeeded(await bench.run('ENCODING', { id: 'v', language: 'en', subtitles: false, ...inputs, output_put_url }));
      const made = await bench.takenFile('late.mp4');
      expect((await mediaOf(tools, made)).audio?.durationSeconds).toBeCloseTo(2, 1);
      const sound = await decodedSound(tools, made);
      expect(peak(sound, 0, 0.65)).toBeLessThan(50);
      expect(peak(sound, 0.75, 1.6)).toBeGreaterThan(5000);
    });

    it('refuses subtitles that are a playlist in disguise', async () => {
      const file = join(bench.directory, 'disguised.ass');
      await writeFile(file, 'ffconcat version 1.0\nfile subtitles.input\n');
      const input_video_uri = bench.serve(await video({ name: 'grey2.mp4', width: 320, height: 180, seconds: 1, color: 'gray' }));
      const input_audio_uri = bench.serve(await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice2.wav', seconds: 1 }));
      const output_put_url = bench.sink.url('disguised.mp4');
      const parameters = {
        id: 'v',
        language: 'en',
        subtitles: true,
        input_video_uri,
        input_audio_uri,
        subtitles_uri: bench.serve(file),
        output_put_url,
      };
      expect(failed(await bench.run('ENCODING', parameters))).toMatchObject({
        code: 'INPUT_INVALID',
        message: expect.stringContaining('is not a subtitle file'),
      });
    });
  });

  describe('CONCATENATION', () => {
    it('joins unlike clips to the frame, on the most common canvas, with silence where a clip has no sound', async () => {
      const clips = await Promise.all([
        video({ name: 'c0.mp4', width: 320, height: 180, seconds: 1.2 }),
        video({ name: 'c1.mp4', width: 180, height: 320, seconds: 0.8, fps: '30' }),
        video({ name: 'c2.mp4', width: 320, height: 180, seconds: 1, audio: false }),
        video({ name: 'c3.mp4', width: 320, height: 180, seconds: 0.6 }),
      ]);
      const parameters = {
        segment_urls: clips.map((clip) => bench.serve(clip)),
        crf: 28,
        audio_kbps: 96,
        output_put_url: bench.sink.url('joined.mp4'),
      };

      const output = succeeded(await bench.run('CONCATENATION', parameters));

      const made = await bench.takenFile('joined.mp4');
      const info = await mediaOf(tools, made);
      expect(info.video).toMatchObject({
        width: 320,
        height: 180,
        codec: 'h264',
        frames: 90,
        durationSeconds: expect.closeTo(3.6, 3),
      });
      expect(info.audio).toMatchObject({ codec: 'aac', sampleRate: 48_000, channels: 2 });
      expect(output).toMatchObject({ clips: 4, frames: 90, duration_sec: expect.closeTo(3.6, 1) });
      const times = await pictureTimes(tools, made);
      expect(times.length).toBe(90);
      expect(Math.max(...times.map((time, index) => Math.abs(time - index / 25)))).toBeLessThan(0.002);
      const sound = await decodedSound(tools, made);
      expect(peak(sound, 0.2, 1.1)).toBeGreaterThan(5000);
      expect(peak(sound, 2.1, 2.9)).toBeLessThan(50);
      expect(peak(sound, 3.1, 3.5)).toBeGreaterThan(5000);
      // The portrait clip stands between black bars, its pictures undistorted.
      const picture = await pictureAt(tools, made, 1.6);
      const row = picture.subarray(90 * 320, 91 * 320);
      expect(Math.max(...row.subarray(0, 100))).toBeLessThan(24);
      expect(Math.max(...row.subarray(115, 205))).toBeGreaterThan(60);
    });

    it('shows every clip at its place', async () => {
      const colors = ['red', 'white', 'black', 'gray'];
      const clips = await Promise.all(
        colors.map((color, index) =>
          video({ name: `p${index}.mp4`, width: 160, height: 90, seconds: 0.5, fps: '30000/1001', color }),
        ),
      );
      succeeded(
        await bench.run('CONCATENATION', {
          segment_urls: clips.map((clip) => bench.serve(clip)),
          output_put_url: bench.sink.url('places.mp4'),
        }),
      );
      const made = await bench.takenFile('places.mp4');
      const means = await Promise.all(
        [0.25, 0.75, 1.25, 1.75].map(async (at) => {
          const picture = await pictureAt(tools, made, at);
          return picture.reduce((sum, value) => sum + value, 0) / picture.length;
        }),
      );
      expect(means[0]).toBeCloseTo(76, -1);
      expect(means[1]).toBeGreaterThan(245);
      expect(means[2]).toBeLessThan(8);
      expect(means[3]).toBeCloseTo(127, -1);
    });

    it('makes the whole of one clip, for a job with one segment', async () => {
      const clip = await video({ name: 'only.mp4', width: 320, height: 180, seconds: 0.8 });

      const parameters = { segment_urls: [bench.serve(clip)], output_put_url: bench.sink.url('one.mp4') };
      const output = succeeded(await bench.run('CONCATENATION', parameters));

      expect(output).toMatchObject({ clips: 1, frames: 20 });
      const info = await mediaOf(tools, await bench.takenFile('one.mp4'));
      expect(info.video).toMatchObject({ width: 320, height: 180, frames: 20 });
    });
  });
});
