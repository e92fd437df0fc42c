import { describe, expect, it } from 'vitest';
import { missingBecause } from '../../../../handlers/ffmpeg/capabilities.ts';
import { ffmpegFailure, safeLine, saysTruncated } from '../../../../handlers/ffmpeg/failure.ts';
import { afterProgressLine, NO_PROGRESS, percentOf } from '../../../../handlers/ffmpeg/progress.ts';
import { progressReader } from '../../../../handlers/ffmpeg/run.ts';

const end = (
  stderrTail: string,
  more: { exitCode?: number | undefined; signal?: string; timedOut?: boolean; notStarted?: boolean } = {},
) => ({
  ...{ exitCode: 1 as number | undefined, signal: undefined, timedOut: false, notStarted: false, stderrTail },
  ...more,
});

describe('ffmpegFailure', () => {
  it.each([
    ['INPUT_INVALID', 'input.mp4: Invalid data found when processing input'],
    ['INPUT_INVALID', '[mov,mp4 @ 0x1] moov atom not found'],
    ['INPUT_INVALID', "[wav @ 0x20f51c00] Format not on whitelist 'mov,mp4'\nm.wav: Invalid argument"],
    ['INPUT_INVALID', "Stream map '0:v:0' matches no streams."],
    ['CODEC_UNSUPPORTED', 'Decoder (codec av1) not found for input stream #0:0'],
    [
      'DISK_FULL',
      'av_interleaved_write_frame(): No space left on device\nError writing trailer of /w/out.mp4: No space left on device',
    ],
    ['GPU_OUT_OF_MEMORY', '[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: out of memory (10)\nError initializing output stream'],
    ['GPU_OUT_OF_MEMORY', 'cu->cuMemAlloc(&data, size) failed -> CUDA_ERROR_OUT_OF_MEMORY: out of memory'],
    [
      'GPU_FAILED',
      '[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: unsupported device (2): (no details)\nNo capable devices found',
    ],
    ['GPU_FAILED', '[h264 @ 0x5] No device available for decoder: device type cuda needed for codec h264.'],
    ['FFMPEG_FAILED', 'Device setup failed: Cannot allocate memory'],
    ['GPU_FAILED', '[h264_nvenc @ 0x5] Cannot load libcuda.so.1'],
    ['SOURCE_UNREACHABLE', 'http://127.0.0.1:4000/abc: Connection refused'],
    ['FFMPEG_FAILED', 'Something that nobody has seen before'],
  ])('says %s for %j', (code, stderr) => {
    expect(ffmpegFailure(end(stderr)).code).toBe(code);
  });

  it('reads the exit codes of version 7 where stderr says nothing', () => {
    expect(ffmpegFailure(end('', { exitCode: 228 })).code).toBe('DISK_FULL');
    expect(ffmpegFailure(end('', { exitCode: 183 })).code).toBe('INPUT_INVALID');
  });

  it('takes a kill from outside for a lack of memory, which may pass', () => {
    expect(
      ffmpegFailure(end('Error while decoding: Invalid data found', { exitCode: undefined, signal: 'SIGKILL' })),
    ).toMatchObject({ code: 'FFMPEG_FAILED', retryable: true });
  });

  it('knows a time limit and a program that is not there', () => {
    expect(ffmpegFailure(end('', { exitCode: undefined, timedOut: true })).code).toBe('TIME_LIMIT');
    expect(ffmpegFailure(end('', { exitCode: undefined, notStarted: true })).code).toBe('FFMPEG_MISSING');
  });

  it('shows neither URLs nor folders nor pointers', () => {
    const { message } = ffmpegFailure(
      end('[in @ 0x55aa] http://127.0.0.1:4000/s3cr3t-token: Invalid data found when processing input'),
    );
    expect(message).toBe('ffmpeg: [in] the input: Invalid data found when processing input');
    expect(safeLine("Error opening '/tmp/work/task-x1/clip_0.mp4': \u001b[31mbad")).toBe("Error opening 'clip_0.mp4': [31mbad");
  });

  it('tells an input that broke off', () => {
    expect(saysTruncated('[mov @ 0x1] stream 0, offset 0x325e: partial file')).toBe(true);
    expect(saysTruncated('deprecated pixel format used')).toBe(false);
  });
});

describe('missingBecause', () => {
  it.each([
    ['[h264_nvenc @ 0x1] Cannot load libnvidia-encode.so.1', /NVIDIA_DRIVER_CAPABILITIES/],
    ['[h264_nvenc @ 0x1] Cannot load libcuda.so.1', /no NVIDIA driver/],
    ['OpenEncodeSessionEx failed: unsupported device (2): (no details)\nNo capable devices found', /has no encoder/],
    ["Unknown encoder 'h264_nvenc'", /built without it/],
    ['Driver does not support the required nvenc API version. Required: 12.1 Found: 11.1', /older than this ffmpeg needs/],
    ['[h264 @ 0x1] Cannot load libnvcuvid.so.1', /NVIDIA_DRIVER_CAPABILITIES/],
    [
      'OpenEncodeSessionEx failed: out of memory (10): (no details)\nNo capable devices found',
      /no encoding session or no memory/,
    ],
    ['[av1_nvenc @ 0x1] Codec not supported\nNo capable devices found', /no encoder for that codec/],
    ['cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected', /sees no GPU/],
    // What the build of 2018 says, which has no CUDA in it.
    ['Device creation failed: -12.\n[h264 @ 0x1] No device available for decoder: device type cuda needed', /without CUDA/],
    ["Option 'interp_algo' not found", /too old for the options/],
    ["Impossible to convert between the formats supported by the filter 'a' and the filter 'b'", /fell back to the CPU/],
  ])('explains %j', (stderr, reason) => {
    expect(missingBecause(end(stderr))).toMatch(reason);
  });
});

describe('progress', () => {
  it('reads microseconds under both their names, and ignores what is not there yet', () => {
    expect(afterProgressLine(NO_PROGRESS, 'out_time_us=1500000').outTimeSeconds).toBe(1.5);
    expect(afterProgressLine(NO_PROGRESS, 'out_time_ms=1500000').outTimeSeconds).toBe(1.5);
    expect(afterProgressLine(NO_PROGRESS, 'out_time_us=-9223372036854775807').outTimeSeconds).toBe(0);
    expect(afterProgressLine(NO_PROGRESS, 'out_time_us=N/A').outTimeSeconds).toBe(0);
    expect(afterProgressLine(NO_PROGRESS, 'speed=2.5x').speed).toBe(2.5);
  });

  it('reports once a block, however its bytes arrive', () => {
    const reports: number[] = [];
    const read = progressReader(({ outTimeSeconds }) => void reports.push(outTimeSeconds));
    const text = 'frame=1\nout_time_us=1000000\nprogress=continue\nframe=2\nout_time_us=2000000\nprogress=end\n';
    for (const byte of Buffer.from(text)) read(Buffer.from([byte]));
    expect(reports).toEqual([1, 2]);
  });

  it('stays between 0 and 100', () => {
    expect(percentOf({ ...NO_PROGRESS, outTimeSeconds: 5 }, 4)).toBe(100);
    expect(percentOf({ ...NO_PROGRESS, outTimeSeconds: 1 }, 4)).toBe(25);
    expect(percentOf({ ...NO_PROGRESS, outTimeSeconds: 1 }, 0)).toBe(0);
  });
});
