import { describe, expect, it } from 'vitest';
import type { MediaInfo } from '../../../../handlers/ffmpeg/probe.ts';
import { contentTypeFor } from '../../../../handlers/outputs/content-type.ts';
import { verifyVideo } from '../../../../handlers/outputs/verify.ts';
import { PLAIN_CODING } from '../plain-video.ts';

const AUDIO = { index: 0, codec: 'pcm_s16le', sampleRate: 48_000, channels: 2, durationSeconds: 1, samples: 48_000 };
const VIDEO = {
  ...{ index: 0, codec: 'h264', width: 320, height: 180, displayWidth: 320, displayHeight: 180, pixelFormat: 'yuv420p' },
  ...{ frameRate: { numerator: 25, denominator: 1 }, constantRate: true, durationSeconds: 4, frames: 100, coding: PLAIN_CODING },
};
const MP4: MediaInfo = { formatName: 'mov,mp4', durationSeconds: 4.02, video: VIDEO, audio: { ...AUDIO, codec: 'aac' } };
const EXPECTED = { width: 320, height: 180, audio: true, videoSeconds: 4 };

describe('verifyVideo', () => {
  it('takes a length within 50 ms', () => {
    expect(() => verifyVideo(MP4, { ...EXPECTED, videoSeconds: 4.05 })).not.toThrow();
    expect(() => verifyVideo(MP4, { ...EXPECTED, videoSeconds: undefined })).not.toThrow();
  });

  it('takes a length within a frame where frames last longer than that', () => {
    const slow = { ...MP4, video: { ...VIDEO, frameRate: { numerator: 2, denominator: 1 } } };
    expect(() => verifyVideo(slow, { ...EXPECTED, videoSeconds: 4.5 })).not.toThrow();
    expect(() => verifyVideo(slow, { ...EXPECTED, videoSeconds: 4.6 })).toThrow();
  });

  it('takes the length of the whole only where that was given', () => {
    const held = { ...MP4, durationSeconds: 9 };
    expect(() => verifyVideo(held, { ...EXPECTED, videoSeconds: 9 })).toThrow();
    expect(() => verifyVideo(held, { ...EXPECTED, videoSeconds: 9, totalSeconds: 9 })).not.toThrow();
  });

  it.each([
    ['no pictures', { ...MP4, video: undefined }],
    ['another size', { ...MP4, video: { ...VIDEO, width: 322 } }],
    ['an odd size', { ...MP4, video: { ...VIDEO, height: 181 } }],
    ['another codec', { ...MP4, video: { ...VIDEO, codec: 'hevc' } }],
    ['other colours', { ...MP4, video: { ...VIDEO, pixelFormat: 'yuv444p' } }],
    ['no sound', { ...MP4, audio: undefined }],
    ['15 of 60 seconds', { ...MP4, video: { ...VIDEO, durationSeconds: 1 } }],
  ])('refuses %s', (_what, info) => {
    expect(() => verifyVideo(info, EXPECTED)).toThrow(expect.objectContaining({ code: 'OUTPUT_INVALID' }));
  });

  it('counts frames where their number was asked for', () => {
    expect(() => verifyVideo(MP4, { ...EXPECTED, frames: 100 })).not.toThrow();
    expect(() => verifyVideo(MP4, { ...EXPECTED, frames: 101 })).toThrow(/100 frames, not 101/);
  });
});

describe('contentTypeFor', () => {
  it.each([
    ['audio/x', 'video/y', ['a.mp4'], 'audio/x'],
    [undefined, 'video/y; a=b', ['a.mp4'], 'video/y; a=b'],
    [undefined, 'application/octet-stream', ['a', 's3://b/k.M4A'], 'audio/mp4'],
    [undefined, undefined, ['folder.mp4/file'], 'application/octet-stream'],
  ])('of %s, %s and %j makes %4$s', (asked, served, names, expected) => {
    expect(contentTypeFor(asked, served, names)).toBe(expected);
  });
});
