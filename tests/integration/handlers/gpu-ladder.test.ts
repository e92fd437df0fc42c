/**
 * The ladder, with real pictures and no GPU: `fakeGpu` stands in for one. What a real GPU does with these arguments is not shown here.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskAnswer } from '../../../handlers/task.ts';
import { silentLogger } from '../../../log.ts';
import { mediaOf } from '../../media/bitstream.ts';
import { type FakeGpu, fakeGpu, type GpuFault } from '../../media/fake-gpu.ts';
import { makeAudio, makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { startBench, succeeded, type TaskBench } from './task-bench.ts';

// The fake's own arguments are those of a version with NVENC: one real ffmpeg behind it is enough.
const [TOOLS] = ALL_TOOLS;
const QUICK = { attempts: 3, firstDelayMs: 1, maxDelayMs: 2 };

const UNSUPPORTED =
  '[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: unsupported device (2): (no details)\nNo capable devices found';
const FULL = '[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)\nNo capable devices found';
const NO_LIBRARY =
  '[h264_nvenc @ 0x1] Cannot load libnvidia-encode.so.1\nThe minimum required Nvidia driver for nvenc is 470.57.02';
const NO_DRIVER = '[AVHWDeviceContext @ 0x1] Cannot load libcuda.so.1\n[AVHWDeviceContext @ 0x1] Could not dynamically load CUDA';
const OLD_DRIVER = '[h264_nvenc @ 0x1] Driver does not support the required nvenc API version. Required: 12.1 Found: 11.1';
const NOT_ON_GPU =
  "Impossible to convert between the formats supported by the filter 'Parsed_null_0' and the filter 'auto_scaler_0'";
const PROOF = 'color=black';

describe.skipIf(TOOLS === undefined)('the ladder, on a machine that pretends to have a GPU', () => {
  let bench: TaskBench;
  let plain: string;
  let turned: string;
  let voice: string;
  let names = 0;

  beforeAll(async () => {
    if (TOOLS === undefined) return;
    bench = await startBench(TOOLS);
    const spec = { width: 640, height: 360, seconds: 1 };
    plain = await makeVideo(TOOLS.ffmpeg, bench.directory, { ...spec, name: 'plain.mp4' });
    turned = await makeVideo(TOOLS.ffmpeg, bench.directory, { ...spec, name: 'sideways.mp4', rotate: 90 });
    voice = await makeAudio(TOOLS.ffmpeg, bench.directory, { name: 'voice.wav', seconds: 1 });
  });
  afterAll(() => bench?.close());

  /** A worker on such a machine. */
  async function worker(faults: readonly GpuFault[]) {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    const gpu = await fakeGpu(TOOLS.ffmpeg, bench.directory, `ffmpeg-${names++}`, faults);
    const runner = bench.runnerWith({ tools: { ...TOOLS, ffmpeg: gpu.ffmpeg }, gpuRetry: QUICK });
    const run = (task: string, parameters: Record<string, unknown>): Promise<TaskAnswer> =>
      runner.run(
        { task, parameters },
        { requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: silentLogger },
      );
    const downsample = async (file: string, resolution = 180) => {
      const name = `ladder-${names++}.mp4`;
      const output_put_url = bench.sink.url(name);
      const output = succeeded(await run('DOWNSAMPLING', { original_video_uri: bench.serve(file), resolution, output_put_url }));
      return { output, made: await mediaOf(TOOLS, await bench.takenFile(name)) };
    };
    return { gpu, runner, run, downsample };
  }

  const taskCalls = async (gpu: FakeGpu) => (await gpu.calls()).filter((args) => args.includes('-progress'));

  it('keeps everything on the GPU where all of it is proven, and proves it once', async () => {
    const { gpu, downsample, run } = await worker([]);
    const { output, made } = await downsample(plain);
    await downsample(plain);
    expect(output).toMatchObject({
      rung: 'gpu',
      decoder: 'nvdec',
      encoder: 'h264_nvenc',
      rung_reason: 'everything runs on the GPU',
    });
    expect(made.video).toMatchObject({ width: 320, height: 180, codec: 'h264', frames: 25 });
    const calls = await gpu.calls();
    expect(calls.filter((args) => args.join(' ').includes(PROOF))).toHaveLength(3);
    expect(
      calls.filter((args) => args.includes('-progress')).every((args) => args.join(' ').includes('scale_cuda=320:180')),
    ).toBe(true);
    expect(succeeded(await run('PING', {}))).toMatchObject({
      ...{ rung: 'gpu', encoder: 'h264_nvenc' },
      capabilities: { h264_nvenc: true, hevc_nvenc: true, av1_nvenc: true, nvdec: true, scale_cuda: true },
    });
  });

  it.each([
    {
      what: 'a GPU without an encoder',
      faults: [{ on: ['_nvenc'], stderr: UNSUPPORTED }],
      expected: { rung: 'gpu-decode', decoder: 'nvdec', encoder: 'libx264', rung_reason: expect.stringMatching(/A100/) },
    },
    {
      what: 'a container without the video capability',
      faults: [
        { on: ['_nvenc'], stderr: NO_LIBRARY },
        { on: ['-hwaccel'], stderr: '[h264 @ 0x1] Cannot load libnvcuvid.so.1\nFailed loading nvcuvid.' },
      ],
      expected: { rung: 'cpu', encoder: 'libx264', rung_reason: expect.stringContaining('NVIDIA_DRIVER_CAPABILITIES') },
    },
    {
      what: 'no driver',
      faults: [
        { on: ['_nvenc'], stderr: NO_DRIVER },
        { on: ['-hwaccel'], stderr: NO_DRIVER },
      ],
      expected: { rung: 'cpu', decoder: 'cpu', encoder: 'libx264', rung_reason: expect.stringContaining('no NVIDIA driver') },
    },
    {
      what: 'a driver that is older than the build',
      faults: [{ on: ['_nvenc'], stderr: OLD_DRIVER }],
      expected: { rung: 'gpu-decode', rung_reason: expect.stringContaining('older than this ffmpeg needs') },
    },
    {
      what: 'a decoder that falls back to the CPU without a word',
      faults: [{ on: ['-hwaccel_output_format'], stderr: NOT_ON_GPU }],
      expected: {
        rung: 'gpu-encode',
        decoder: 'cpu',
        encoder: 'h264_nvenc',
        rung_reason: expect.stringContaining('fell back to the CPU'),
      },
    },
    {
      what: 'a build without its scaler',
      faults: [{ on: ['scale_cuda'], stderr: "No such filter: 'scale_cuda'" }],
      expected: { rung: 'gpu-encode', rung_reason: expect.stringContaining('built without') },
    },
  ])('takes the best rung that is left with $what, and says why', async ({ faults, expected }) => {
    const { downsample } = await worker(faults);
    const { output, made } = await downsample(plain);
    expect(output).toMatchObject(expected);
    expect(made.video).toMatchObject({ width: 320, height: 180, frames: 25 });
  });

  it('turns a phone’s pictures on the CPU, and encodes them on the GPU', async () => {
    const { downsample } = await worker([]);
    const { output, made } = await downsample(turned, 360);
    expect(output).toMatchObject({ rung: 'gpu-encode', rung_reason: expect.stringContaining('turned') });
    expect(made.video?.width).toBeLessThan(made.video?.height ?? 0);
  });

  it('waits for a full GPU, on the same rung', async () => {
    const { gpu, downsample } = await worker([{ on: ['h264_nvenc', '-progress'], stderr: FULL, times: 2 }]);
    const { output } = await downsample(plain);
    expect(output).toMatchObject({ rung: 'gpu', rung_reason: 'everything runs on the GPU' });
    const calls = await taskCalls(gpu);
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map((args) => args[args.indexOf('-vf') + 1])).size).toBe(1);
  });

  it('gives up on a GPU that stays full, once, and says so', async () => {
    const { gpu, downsample } = await worker([{ on: ['h264_nvenc', '-progress'], stderr: FULL }]);
    const { output, made } = await downsample(plain);
    expect(output).toMatchObject({
      rung: 'cpu',
      rung_reason: expect.stringMatching(/^not gpu: it was tried and failed with GPU_OUT_OF_MEMORY/),
    });
    expect(made.video?.frames).toBe(25);
    expect(await taskCalls(gpu)).toHaveLength(4);
  });

  it.each([
    ['in the driver’s words', 'CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure', 'GPU_FAILED'],
    ['in words that nobody knows', 'Something new', 'FFMPEG_FAILED'],
  ])('does not try a broken GPU again when it fails %s', async (_what, stderr, code) => {
    const { gpu, downsample } = await worker([{ on: ['h264_nvenc', '-progress'], stderr }]);
    const { output } = await downsample(plain);
    expect(output).toMatchObject({
      rung: 'cpu',
      encoder: 'libx264',
      rung_reason: expect.stringContaining(code),
      gpu_error: code,
    });
    expect(await taskCalls(gpu)).toHaveLength(2);
  });

  it('does not blame the GPU for an input that cannot be read', async () => {
    const { gpu, run } = await worker([
      { on: ['h264_nvenc', '-progress'], stderr: 'the input: Invalid data found when processing input' },
    ]);
    const parameters = { original_video_uri: bench.serve(plain), resolution: 180, output_put_url: bench.sink.url('unread.mp4') };
    expect(await run('DOWNSAMPLING', parameters)).toMatchObject({ kind: 'failed', error: { code: 'INPUT_INVALID' } });
    expect(await taskCalls(gpu)).toHaveLength(1);
  });

  it('draws subtitles between the GPU’s decoder and its encoder', async () => {
    const { gpu, run } = await worker([]);
    const titles = join(bench.directory, 'titles.srt');
    await writeFile(titles, '1\n00:00:00,000 --> 00:00:01,000\nMILLRACE\n');
    const output = succeeded(
      await run('ENCODING', {
        ...{ id: 'v', language: 'en', subtitles: true, subtitles_uri: bench.serve(titles) },
        ...{
          input_video_uri: bench.serve(plain),
          input_audio_uri: bench.serve(voice),
          output_put_url: bench.sink.url('drawn.mp4'),
        },
      }),
    );
    expect(output).toMatchObject({ rung: 'gpu', width: 640, height: 360 });
    const [call = []] = await taskCalls(gpu);
    expect(call[call.indexOf('-vf') + 1]).toMatch(/hwdownload,format=nv12,ass=subtitles\.ass.*,hwupload_cuda$/);
  });

  it('makes all clips again on the CPU when the GPU fails at a later one', async () => {
    const { run } = await worker([{ on: ['h264_nvenc', 'clip_1.mp4'], stderr: UNSUPPORTED }]);
    const parameters = {
      segment_urls: [plain, turned, plain].map((file) => bench.serve(file)),
      output_put_url: bench.sink.url('clips.mp4'),
    };
    const output = succeeded(await run('CONCATENATION', parameters));
    expect(output).toMatchObject({
      rung: 'cpu',
      frames: 75,
      rung_reason: expect.stringMatching(/^not gpu-encode: it was tried and failed/),
    });
  });
});
