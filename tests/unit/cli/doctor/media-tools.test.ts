import { describe, expect, test } from 'vitest';
import { judgeGpu } from '../../../../cli/doctor/media-tools.ts';
import type { Capability } from '../../../../handlers/ffmpeg/capabilities.ts';

const WORKS: Capability = { available: true };
const not = (reason: string): Capability => ({ available: false, reason });
const judged = (h264Nvenc: Capability, machine: { isRequired?: boolean; isThere?: boolean } = {}) =>
  judgeGpu({ h264Nvenc, nvdec: WORKS, scaleCuda: not('no') }, { isRequired: false, isThere: false, ...machine });

test('a GPU that encodes is right, with what else it does', () => {
  expect(judged(WORKS, { isThere: true })).toEqual({ outcome: 'ok', found: 'NVENC works here; so do NVDEC' });
});

test('a machine without a GPU is right, and says what it works on', () => {
  expect(judged(not('there is no NVIDIA driver (libcuda)'))).toMatchObject({
    outcome: 'ok',
    found: expect.stringContaining('libx264'),
  });
});

test('a machine without a GPU is wrong where one is required', () => {
  expect(judged(not('there is no NVIDIA driver (libcuda)'), { isRequired: true })).toMatchObject({
    outcome: 'wrong',
    found: expect.stringMatching(/^MILLRACE_REQUIRE_GPU is set, but NVENC does not work here: there is no NVIDIA driver/),
  });
});

describe('a GPU that does not encode is wrong where', () => {
  test.each([
    [
      'the driver came without its video libraries: NVIDIA_DRIVER_CAPABILITIES',
      /^Start the container with NVIDIA_DRIVER_CAPABILITIES=compute,video,utility/,
    ],
    ['this ffmpeg was built without it', /^Install an ffmpeg with NVENC/],
    ['this GPU has no encoder (A100, A30, H100 and H200 have none)', /^Choose a GPU with an encoder/],
  ])('%s', (reason, fix) => {
    expect(judged(not(reason), { isThere: true })).toMatchObject({
      outcome: 'wrong',
      found: expect.stringContaining(reason),
      fix: expect.stringMatching(fix),
    });
  });
});
