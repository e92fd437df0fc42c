import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { dejavuFontsDir } from '../../../handlers/fonts.ts';
import { decodedSound, mediaOf, peak, pictureAt, pictureDifference, pictureTimes } from '../../media/bitstream.ts';
import { ffmpeg, makeAudio, makeVideo, type VideoSpec } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, succeeded, type TaskBench } from './task-bench.ts';

describe.each(ALL_TOOLS)('what is copied and what plays everywhere, with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  let names = 0;
  const video = (spec: Partial<VideoSpec> & { name: string }) =>
    makeVideo(tools.ffmpeg, bench.directory, { width: 320, height: 180, seconds: 1, ...spec });

  beforeAll(async () => {
    bench = await startBench(tools);
  });
  afterAll(() => bench.close());

  async function make(task: string, parameters: Record<string, unknown>) {
    const name = `made-${names++}.mp4`;
    const output = succeeded(await bench.run(task, { ...parameters, output_put_url: bench.sink.url(name) }));
    const file = await bench.takenFile(name);
    return { output, file, info: await mediaOf(tools, file) };
  }
  const downsample = (file: string, resolution: number) =>
    make('DOWNSAMPLING', { original_video_uri: bench.serve(file), resolution });

  /** Checksums of the decoded pictures and sound: equal only where nothing was encoded again. */
  const decodedPictures = (file: string) => ffmpeg(tools.ffmpeg, ['-i', file, '-map', '0:v:0', '-f', 'framemd5', '-']);
  const sumsOf = (text: Buffer) => [...text.toString('latin1').matchAll(/[0-9a-f]{32}/g)].map(String);
  const file = (name: string) => join(bench.directory, name);

  describe('DOWNSAMPLING', () => {
    it.each(['small.mp4', 'small.mkv'])(
      'copies the pictures and the sound of %s, which is small enough already',
      async (name) => {
        const source = await video({ name });
        const { output, file: made, info } = await downsample(source, 360);
        expect(output).toMatchObject({ rung: 'copy', encoder: 'copy', decoder: 'none', width: 320, height: 180 });
        expect(sumsOf(await decodedPictures(made))).toEqual(sumsOf(await decodedPictures(source)));
        expect(info.video?.frames).toBe(25);
        expect(info.formatName).toContain('mp4');
        const body = await readFile(made);
        expect(body.indexOf('moov')).toBeLessThan(body.indexOf('mdat'));
        expect(info.audio).toMatchObject({ codec: 'aac', sampleRate: 44_100 });
      },
    );

    it('makes AAC of other sound, and copies the pictures beside it', async () => {
      const source = file('mp3-sound.mkv');
      const small = await video({ name: 'silent.mp4', audio: false });
      const voice = await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 1 });
      await ffmpeg(tools.ffmpeg, ['-i', small, '-i', voice, '-c:v', 'copy', '-c:a', 'flac', source]);
      const { output, info } = await downsample(source, 180);
      expect(output.rung).toBe('copy');
      expect(info.audio?.codec).toBe('aac');
    });

    it('encodes 10-bit pictures of full range into what plays everywhere', async () => {
      const source = file('ten-bit.mkv');
      const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=1', '-pix_fmt', 'yuv420p10le'];
      const tags = ['-color_range', 'pc', '-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709'];
      await ffmpeg(tools.ffmpeg, [...picture, ...tags, '-c:v', 'ffv1', source]);
      const { output, info } = await downsample(source, 180);
      expect(output.rung).not.toBe('copy');
      expect(info.video).toMatchObject({
        ...{ codec: 'h264', pixelFormat: 'yuv420p', frames: 25 },
        coding: { fullRange: false, matrix: 'bt709', primaries: 'bt709', transfer: 'bt709' },
      });
    });

    it('evens out pictures that come unevenly, in as much time', async () => {
      const source = file('uneven.mp4');
      const drop = "select='lt(n\\,10)+not(mod(n\\,3))'";
      const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=2', '-vf', drop, '-vsync', 'vfr'];
      await ffmpeg(tools.ffmpeg, [...picture, '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', source]);
      expect((await mediaOf(tools, source)).video?.constantRate).toBe(false);
      const { file: made, info } = await downsample(source, 180);
      const times = await pictureTimes(tools, made);
      const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      expect(Math.max(...steps) - Math.min(...steps)).toBeLessThan(0.002);
      expect(info.video?.constantRate).toBe(true);
      expect(Math.abs((info.video?.durationSeconds ?? 0) - 2)).toBeLessThan(0.1);
    });

    it('takes no cover for the video, and the first of two tracks of sound', async () => {
      const source = file('cover.mkv');
      const cover = file('cover.png');
      await ffmpeg(tools.ffmpeg, ['-f', 'lavfi', '-i', 'color=red:s=400x400', '-frames:v', '1', cover]);
      const inputs = ['-i', cover, '-i', await video({ name: 'pictures.mp4', audio: false, width: 640, height: 360 })];
      const tracks = ['-f', 'lavfi', '-i', 'sine=f=440:d=1', '-f', 'lavfi', '-t', '1', '-i', 'anullsrc'];
      const maps = ['-map', '0:v', '-map', '1:v', '-map', '2:a', '-map', '3:a', '-disposition:v:0', 'attached_pic', '-t', '1'];
      const mp4 = source.replace('.mkv', '.mp4');
      await ffmpeg(tools.ffmpeg, [...inputs, ...tracks, ...maps, '-c:v', 'copy', '-c:a', 'aac', mp4]);
      const { file: made, info } = await downsample(mp4, 180);
      expect(info.video).toMatchObject({ codec: 'h264', width: 320, height: 180, frames: 25 });
      expect(peak(await decodedSound(tools, made), 0.2, 0.8)).toBeGreaterThan(1000);
    });

    it.each([
      [144, [256, 144]],
      [2160, [320, 180]],
    ])('takes a height of %i', async (resolution, [width, height]) => {
      const { info } = await downsample(await video({ name: `bound-${resolution}.mp4` }), resolution);
      expect(info.video).toMatchObject({ width, height });
    });
  });

  describe('CONCATENATION', () => {
    it('joins clips that are coded alike without encoding a picture, to the frame', async () => {
      const spec = { fps: '30000/1001' };
      const clips = [
        await video({ ...spec, name: 'j0.mp4', seconds: 1.2 }),
        await video({ ...spec, name: 'j1.mp4', seconds: 0.8, audio: false }),
        await video({ ...spec, name: 'j2.mp4', seconds: 1 }),
      ];
      const counts = await Promise.all(clips.map(async (clip) => (await mediaOf(tools, clip)).video?.frames ?? 0));
      const frames = counts.reduce((sum, count) => sum + count, 0);

      const { output, file: made, info } = await make('CONCATENATION', { segment_urls: clips.map((clip) => bench.serve(clip)) });

      expect(output).toMatchObject({ rung: 'copy', encoder: 'copy', frames });
      expect(info.video).toMatchObject({ frames, durationSeconds: expect.closeTo((frames * 1001) / 30_000, 2) });
      const sums = await Promise.all(clips.map(async (clip) => sumsOf(await decodedPictures(clip))));
      expect(sumsOf(await decodedPictures(made))).toEqual(sums.flat());
      const times = await pictureTimes(tools, made);
      expect(Math.max(...times.map((time, index) => Math.abs(time - (index * 1001) / 30_000)))).toBeLessThan(0.002);
      const sound = await decodedSound(tools, made);
      expect(peak(sound, 0.2, 1.1)).toBeGreaterThan(5000);
      expect(peak(sound, 1.3, 1.9)).toBeLessThan(50);
      expect(peak(sound, 2.2, 2.9)).toBeGreaterThan(5000);
    });

    it('encodes clips of one size whose streams are coded differently, and says why', async () => {
      const one = await video({ name: 'k0.mp4' });
      const other = file('k1.mp4');
      await ffmpeg(tools.ffmpeg, ['-i', one, '-c:v', 'libx264', '-preset', 'veryfast', '-c:a', 'copy', other]);
      const { output, info } = await make('CONCATENATION', { segment_urls: [bench.serve(one), bench.serve(other)] });
      expect(output).toMatchObject({ frames: 50, not_copied_reason: 'clips 0 and 1 are coded differently' });
      expect(output.rung).not.toBe('copy');
      expect(info.video?.frames).toBe(50);
    });
  });

  describe('ENCODING', () => {
    const SUBTITLES = [
      ...['[Script Info]', 'ScriptType: v4.00+', 'PlayResX: 320', 'PlayResY: 180', '', '[V4+ Styles]'],
      'Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding',
      'Style: Default,Millrc Serif,40,&H00FFFFFF,&H00000000,&H00000000,1,0,0,5,0,0,0,1',
      ...['', '[Events]', 'Format: Layer, Start, End, Style, Text', 'Dialogue: 0,0:00:00.00,0:00:01.00,Default,Illness', ''],
    ].join('\n');

    async function withFonts(fonts_uris: string[] | undefined) {
      const titles = file('own-font.ass');
      await writeFile(titles, SUBTITLES);
      return {
        ...{ id: 'v', language: 'en', subtitles: true, subtitles_uri: bench.serve(titles) },
        input_video_uri: bench.serve(await video({ name: 'grey.mp4', color: 'gray' })),
        input_audio_uri: bench.serve(await makeAudio(tools.ffmpeg, bench.directory, { name: 'sound.wav', seconds: 1 })),
        ...(fonts_uris === undefined ? {} : { fonts_uris }),
      };
    }

    it('draws subtitles in a font that the job brings', async () => {
      const own = file('own.bin');
      await writeFile(
        own,
        renamed(await readFile(join(dejavuFontsDir(), 'DejaVuSerif-Bold.ttf')), 'DejaVu Serif', 'Millrc Serif'),
      );
      const without = await make('ENCODING', await withFonts(undefined));
      const withOwn = await make('ENCODING', await withFonts([bench.serve(own)]));
      const [fallback, brought] = await Promise.all([without, withOwn].map(({ file: made }) => pictureAt(tools, made, 0.5)));
      expect(pictureDifference(fallback ?? Buffer.alloc(0), brought ?? Buffer.alloc(0))).toBeGreaterThan(0.5);
    });

    it('refuses a font that is none', async () => {
      const notes = file('notes.ttf');
      await writeFile(notes, 'wOFF or whatever this is');
      const parameters = { ...(await withFonts([bench.serve(notes)])), output_put_url: bench.sink.url('no-font.mp4') };
      const error = failed(await bench.run('ENCODING', parameters));
      expect(error).toMatchObject({ code: 'INPUT_INVALID', message: expect.stringContaining('no TrueType or OpenType font') });
    });
  });
});

/** The same font under another name of the same length. */
function renamed(font: Buffer, from: string, to: string): Buffer {
  const wide = (text: string) => Buffer.from(text, 'utf16le').swap16().toString('latin1');
  const text = font.toString('latin1').replaceAll(wide(from), wide(to)).replaceAll(from, to);
  return Buffer.from(text, 'latin1');
}
