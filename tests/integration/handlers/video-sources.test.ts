/** Pictures as phones, cameras and broadcasters make them, and what must be seen of them afterwards. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import type { TaskRunner } from '../../../handlers/run-task.ts';
import { mediaOf, pictureAt, pictureDifference } from '../../media/bitstream.ts';
import { fakeGpu } from '../../media/fake-gpu.ts';
import { ffmpeg, makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { startBench, succeeded, type TaskBench } from './task-bench.ts';

const execute = promisify(execFile);
const SIZE = { width: 320, height: 180 };

describe.each(ALL_TOOLS)('pictures of all kinds, with the $origin ffmpeg $version', (tools: Tools) => {
  let bench: TaskBench;
  let names = 0;
  beforeAll(async () => {
    bench = await startBench(tools);
  });
  afterAll(() => bench.close());

  const path = (name: string) => join(bench.directory, name);
  const source = (text: string) => ['-f', 'lavfi', '-i', text];

  /** `grey`: the signal's level, 0 to 1, of a plain picture; otherwise the moving pattern. */
  async function hevc({ transfer, grey }: { readonly transfer: string; readonly grey?: number }): Promise<string> {
    const file = path(`hevc-${transfer}-${grey ?? 'pattern'}.mp4`);
    const [matrix, primaries] = transfer === 'bt709' ? ['bt709', 'bt709'] : ['bt2020nc', 'bt2020'];
    const level = grey === undefined ? [] : [`lutyuv=y=${Math.round(64 + 876 * grey)}:u=512:v=512`];
    await ffmpeg(tools.ffmpeg, [
      ...source(grey === undefined ? 'testsrc2=s=320x180:r=25:d=1' : 'color=gray:s=320x180:r=25:d=0.4'),
      ...['-vf', ['format=yuv420p10le', ...level].join(','), '-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1'],
      ...['-x265-params', `log-level=error:colorprim=${primaries}:transfer=${transfer}:colormatrix=${matrix}`],
      ...['-color_primaries', `${primaries}`, '-color_trc', transfer, '-colorspace', `${matrix}`, file],
    ]);
    return file;
  }

  async function run(task: string, parameters: Record<string, unknown>, runner: TaskRunner = bench.runner) {
    const name = `made-${names++}.mp4`;
    const scope = { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: bench.logger };
    const answer = await runner.run({ task, parameters: { ...parameters, output_put_url: bench.sink.url(name) } }, scope);
    const file = await bench.takenFile(name);
    return { output: succeeded(answer), file, info: await mediaOf(tools, file) };
  }
  const downsample = (file: string, resolution = 180, runner?: TaskRunner) =>
    run('DOWNSAMPLING', { original_video_uri: bench.serve(file), resolution }, runner);
  const encode = async (file: string) => {
    const voice = await makeAudio(tools.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 1 });
    const inputs = { input_video_uri: bench.serve(file), input_audio_uri: bench.serve(voice) };
    return run('ENCODING', { id: 'v', language: 'en', subtitles: false, ...inputs });
  };

  /** The mean grey of the picture in the middle of plain ones. */
  async function greyOf(file: string): Promise<number> {
    const picture = await pictureAt(tools, file, 0.1);
    return picture.reduce((sum, value) => sum + value, 0) / picture.length;
  }

  it('makes of 10-bit HEVC what plays everywhere, and shows the same', async () => {
    const file = await hevc({ transfer: 'bt709' });
    expect((await mediaOf(tools, file)).video).toMatchObject({ codec: 'hevc', pixelFormat: 'yuv420p10le' });
    for (const made of [await downsample(file), await encode(file)]) {
      expect(made.info.video).toMatchObject({ ...SIZE, codec: 'h264', pixelFormat: 'yuv420p', frames: 25 });
      expect(made.info.video?.coding).toMatchObject({ profile: 'High', matrix: 'bt709', transfer: 'bt709' });
      expect(made.output).not.toHaveProperty('hdr');
      const [before, after] = await Promise.all([file, made.file].map((each) => pictureAt(tools, each, 0.4)));
      expect(pictureDifference(before ?? Buffer.alloc(0), after ?? Buffer.alloc(0))).toBeLessThan(4);
    }
  });

  const SDR = { matrix: 'bt709', primaries: 'bt709', transfer: 'bt709' };

  /** Grey values of 0 to 255. Half the light of an SDR screen's white is 180 of them (BT.709's curve); HDR's reference white is nearly white. */
  it.each([
    { transfer: 'arib-std-b67', what: '50 cd/m²', grey: 0.5, least: 170, most: 195 },
    { transfer: 'smpte2084', what: '50 cd/m²', grey: 0.44, least: 170, most: 195 },
    { transfer: 'arib-std-b67', what: '203 cd/m²', grey: 0.75, least: 225, most: 250 },
    { transfer: 'smpte2084', what: '203 cd/m²', grey: 0.58, least: 225, most: 250 },
  ])('shows $what of $transfer as bright as it is meant', async ({ transfer, grey, least, most }) => {
    const { output, file, info } = await downsample(await hevc({ transfer, grey }), 144);
    expect(output.hdr).toBe('tone-mapped to SDR');
    expect(info.video).toMatchObject({ codec: 'h264', pixelFormat: 'yuv420p', coding: SDR });
    expect(await greyOf(file)).toBeGreaterThan(least);
    expect(await greyOf(file)).toBeLessThan(most);
  });

  it('makes SDR of HDR in final videos and among clips too', async () => {
    const file = await hevc({ transfer: 'arib-std-b67', grey: 0.5 });
    const encoded = await encode(file);
    const plain = await makeVideo(tools.ffmpeg, bench.directory, { ...SIZE, name: 'plain.mp4', seconds: 0.4, color: 'black' });
    const joined = await run('CONCATENATION', { segment_urls: [bench.serve(file), bench.serve(plain)] });
    expect(encoded.info.video?.coding).toMatchObject(SDR);
    for (const made of [encoded, joined]) {
      expect(made.output.hdr).toBe('tone-mapped to SDR');
      expect(await greyOf(made.file)).toBeGreaterThan(170);
    }
  });

  it('keeps HDR as it is, and says so, where this ffmpeg cannot make SDR of it', async () => {
    const bare = await fakeGpu(tools.ffmpeg, bench.directory, `bare-${names++}`, [
      { on: ['zscale'], stderr: "[AVFilterGraph @ 0x1] No such filter: 'zscale'\nError initializing filters" },
    ]);
    const runner = bench.runnerWith({ tools: { ...tools, ffmpeg: bare.ffmpeg } });
    const { output, info, file } = await downsample(await hevc({ transfer: 'smpte2084', grey: 0.58 }), 144, runner);
    expect(output.hdr).toBe('not tone-mapped: this ffmpeg was built without it');
    expect(info.video?.coding).toMatchObject({ matrix: 'bt2020nc', primaries: 'bt2020', transfer: 'smpte2084' });
    expect(await greyOf(file)).toBeCloseTo(0.58 * 255, -1);
  });

  it.each([
    { what: 'whose sound goes on behind the pictures', soundSeconds: 3, offset: '0' },
    { what: 'that begins ten seconds in', soundSeconds: 1, offset: '10' },
  ])('makes a Matroska file $what as long as its pictures are', async ({ soundSeconds, offset }) => {
    const file = path(`offset-${offset}.mkv`);
    const pictures = source('testsrc2=s=320x180:r=25:d=1');
    const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'flac'];
    await ffmpeg(tools.ffmpeg, [...pictures, ...source(`sine=d=${soundSeconds}`), ...codecs, '-output_ts_offset', offset, file]);
    const preview = await downsample(file, 144);
    const joined = await run('CONCATENATION', { segment_urls: [bench.serve(file), bench.serve(file)] });
    expect(preview.info.video).toMatchObject({ frames: 25 });
    expect((await encode(file)).info.durationSeconds).toBeCloseTo(1, 1);
    expect(joined.info.video?.durationSeconds).toBeCloseTo(2, 1);
  });

  it('leaves no teeth in interlaced pictures that move', async () => {
    const file = path('interlaced.mkv');
    const bars = "nullsrc=s=320x180:r=50:d=1,geq=lum='255*gt(mod(X+6*N\\,64)\\,32)':cb=128:cr=128";
    await ffmpeg(tools.ffmpeg, [
      ...[...source(bars), '-vf', 'tinterlace=interleave_top,setfield=tff,format=yuv420p'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-flags', '+ilme+ildct', '-x264-params', 'tff=1', file],
    ]);
    const before = await mediaOf(tools, file);
    expect(before.video?.coding.progressive).toBe(false);

    const made = await downsample(file);

    expect(made.info.video).toMatchObject({ ...SIZE, frames: before.video?.frames ?? 25, coding: { progressive: true } });
    expect(teeth(await pictureAt(tools, file, 0.4))).toBeGreaterThan(20);
    expect(teeth(await pictureAt(tools, made.file, 0.4))).toBeLessThan(8);
  });

  it.each([90, 270])('shows a recording turned by %i degrees the right way round', async (rotate) => {
    const still = { ...SIZE, seconds: 1, audio: false };
    const upright = await makeVideo(tools.ffmpeg, bench.directory, { ...still, name: `upright-${rotate}.mp4` });
    const turned = await makeVideo(tools.ffmpeg, bench.directory, { ...still, name: `sideways-${rotate}.mp4`, rotate });

    const made = await downsample(turned, 320);

    expect(made.info.video).toMatchObject({ width: 180, height: 320, displayWidth: 180, displayHeight: 320 });
    const [stored, shown] = await Promise.all([upright, made.file].map((each) => pictureAt(tools, each, 0.4)));
    const expected = quarterTurn(stored ?? Buffer.alloc(0), (await rotationOf(turned)) < 0);
    expect(pictureDifference(shown ?? Buffer.alloc(0), expected)).toBeLessThan(6);
  });

  /** As the file has it, in degrees against the clock; what writes it differs from version to version. */
  async function rotationOf(file: string): Promise<number> {
    const args = ['-v', 'error', '-show_entries', 'stream_side_data=rotation', '-of', 'default=nw=1:nk=1', file];
    return Number((await execute(tools.ffprobe, args)).stdout.trim());
  }
});

/** How unlike each line is to the lines above and below it, 0 to 510: large where two moments are woven into one picture. */
function teeth(picture: Buffer, { width, height } = SIZE): number {
  let sum = 0;
  for (let at = width; at < width * (height - 1); at++) {
    sum += Math.abs(2 * (picture[at] ?? 0) - (picture[at - width] ?? 0) - (picture[at + width] ?? 0));
  }
  return sum / (width * (height - 2));
}

/** A picture of `SIZE`, with the clock or against it. */
function quarterTurn(picture: Buffer, withTheClock: boolean): Buffer {
  const { width, height } = SIZE;
  const turned = Array.from(picture, (_, at) => {
    const [x, y] = [at % height, Math.floor(at / height)];
    return withTheClock ? picture[(height - 1 - x) * width + y] : picture[x * width + (width - 1 - y)];
  });
  return Buffer.from(turned.map((value) => value ?? 0));
}
