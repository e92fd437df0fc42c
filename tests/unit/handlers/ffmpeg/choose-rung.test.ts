import { describe, expect, it } from 'vitest';
import type { Capabilities, Capability } from '../../../../handlers/ffmpeg/capabilities.ts';
import { chooseRung, type PictureTask } from '../../../../handlers/ffmpeg/choose-rung.ts';
import type { VideoStream } from '../../../../handlers/ffmpeg/probe.ts';
import { PLAIN_CODING, PLAIN_VIDEO } from '../plain-video.ts';

const YES: Capability = { available: true };
const no = (reason: string): Capability => ({ available: false, reason });
const missing = (reason: string): Capabilities => ({
  ...{
    h264Nvenc: no(reason),
    hevcNvenc: no(reason),
    av1Nvenc: no(reason),
    nvdec: no(reason),
    scaleCuda: no(reason),
    toneMapping: YES,
  },
});

/** What these stand for has been proven on no GPU yet. */
const L4: Capabilities = { h264Nvenc: YES, hevcNvenc: YES, av1Nvenc: YES, nvdec: YES, scaleCuda: YES, toneMapping: YES };
const A100: Capabilities = { ...L4, h264Nvenc: no('this GPU has no encoder'), hevcNvenc: no('-'), av1Nvenc: no('-') };
const NONE = missing('there is no NVIDIA driver');

const SMALLER: PictureTask = { size: { width: 320, height: 180 } };
const coded = (coding: Partial<VideoStream['coding']>): VideoStream => ({
  ...PLAIN_VIDEO,
  coding: { ...PLAIN_CODING, ...coding },
});
const TEN_BIT = { ...PLAIN_VIDEO, codec: 'hevc', pixelFormat: 'yuv420p10le' };
const UNEVEN = { ...PLAIN_VIDEO, constantRate: false };
const AV1 = { ...PLAIN_VIDEO, codec: 'av1' };

describe('the rung of a task', () => {
  it.each([
    ['a plain video on an L4', L4, SMALLER, [PLAIN_VIDEO], 'gpu', /^everything runs on the GPU$/],
    ['a plain video on an A100', A100, SMALLER, [PLAIN_VIDEO], 'gpu-decode', /^not gpu, gpu-encode: this GPU has no encoder$/],
    [
      'a plain video without a GPU',
      NONE,
      SMALLER,
      [PLAIN_VIDEO],
      'cpu',
      /^not gpu, gpu-encode, gpu-decode: there is no NVIDIA driver$/,
    ],
    ['10-bit HEVC on an L4', L4, SMALLER, [TEN_BIT], 'gpu-encode', /not gpu: yuv420p10le pixels become 8-bit/],
    ['10-bit HEVC on an A100', A100, SMALLER, [TEN_BIT], 'gpu-decode', /no encoder/],
    ['a turned video on an L4', L4, SMALLER, [coded({ turned: true })], 'gpu-encode', /turned by metadata/],
    ['full-range colours on an L4', L4, SMALLER, [coded({ fullRange: true })], 'gpu-encode', /full-range/],
    ['interlaced pictures on an L4', L4, SMALLER, [coded({ progressive: false })], 'gpu-encode', /interlaced/],
    ['HDR on an L4', L4, SMALLER, [coded({ transfer: 'arib-std-b67' })], 'gpu-encode', /HDR/],
    ['wide pixels on an L4', L4, SMALLER, [coded({ squarePixels: false })], 'gpu-encode', /not square/],
    ['an uneven pace on an L4', L4, SMALLER, [UNEVEN], 'gpu-encode', /uneven pace/],
    ['AV1 on an L4', L4, SMALLER, [AV1], 'gpu-encode', /NVDEC is not used for av1/],
    ['AV1 on an A100', A100, SMALLER, [AV1], 'cpu', /not gpu, gpu-encode: this GPU.*; not gpu-decode: NVDEC is not used for av1/],
    ['no pictures', L4, SMALLER, [], 'cpu', /there are no pictures/],
    [
      'a scaler that is missing',
      { ...L4, scaleCuda: no('no scaler') },
      SMALLER,
      [PLAIN_VIDEO],
      'gpu-encode',
      /^not gpu: no scaler$/,
    ],
    ['a decoder that is missing', { ...L4, nvdec: no('no video') }, SMALLER, [PLAIN_VIDEO], 'gpu-encode', /^not gpu: no video$/],
    [
      'a size below what NVENC makes',
      L4,
      { size: { width: 136, height: 240 } },
      [PLAIN_VIDEO],
      'gpu-decode',
      /no H.264 of 136x240/,
    ],
    ['a size above it', L4, { size: { width: 7680, height: 4320 } }, [PLAIN_VIDEO], 'gpu-decode', /no H.264 of 7680x4320/],
    ['filters of the CPU', L4, { ...SMALLER, cpuFilters: 'a canvas' }, [PLAIN_VIDEO], 'gpu-encode', /^not gpu: a canvas$/],
    ['one unlike source among many', L4, SMALLER, [PLAIN_VIDEO, coded({ turned: true })], 'gpu-encode', /turned/],
  ] as const)('for %s', (_what, capabilities, task, sources, rung, reason) => {
    const chosen = chooseRung(capabilities, task, sources);
    expect(chosen.rung).toBe(rung);
    expect(chosen.reason).toMatch(reason);
  });

  it('needs no scaler where nothing is scaled', () => {
    const withoutScaler = { ...L4, scaleCuda: no('no scaler') };
    expect(chooseRung(withoutScaler, { size: { width: 640, height: 360 } }, [PLAIN_VIDEO]).rung).toBe('gpu');
  });
});
