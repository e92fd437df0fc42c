import { describe, expect, it } from 'vitest';
import type { MediaInfo, VideoStream } from '../../../handlers/ffmpeg/probe.ts';
import { isWebSafeSound, whyNotCopied, whyNotJoined } from '../../../handlers/web-safe.ts';
import { PLAIN_CODING, PLAIN_VIDEO } from './plain-video.ts';

const INFO: MediaInfo = { formatName: 'mov,mp4,m4a,3gp,3g2,mj2', durationSeconds: 4, video: PLAIN_VIDEO, audio: undefined };
const SIZE = { width: 640, height: 360 };
const coded = (coding: Partial<VideoStream['coding']>) => ({ ...PLAIN_VIDEO, coding: { ...PLAIN_CODING, ...coding } });

describe('pictures', () => {
  it('are copied where they are small enough and play everywhere', () => {
    expect(whyNotCopied(INFO, PLAIN_VIDEO, SIZE)).toBeUndefined();
    expect(whyNotCopied({ ...INFO, formatName: 'matroska,webm' }, PLAIN_VIDEO, SIZE)).toBeUndefined();
  });

  it.each([
    ['too large', PLAIN_VIDEO, { width: 320, height: 180 }, /640x360, not 320x180/],
    ['HEVC', { ...PLAIN_VIDEO, codec: 'hevc' }, SIZE, /hevc/],
    ['10-bit', { ...PLAIN_VIDEO, pixelFormat: 'yuv420p10le' }, SIZE, /yuv420p10le/],
    ['of full range', coded({ fullRange: true }), SIZE, /full range/],
    ['lossless', coded({ profile: 'High 4:4:4 Predictive' }), SIZE, /profile is High 4:4:4/],
    ['of a level for 8K', coded({ level: 62 }), SIZE, /level is 62/],
    ['turned', coded({ turned: true }), SIZE, /turned/],
    ['anamorphic', coded({ squarePixels: false }), SIZE, /square/],
    ['HDR', coded({ transfer: 'smpte2084' }), SIZE, /HDR/],
    ['interlaced', coded({ progressive: false }), SIZE, /interlaced/],
    ['of uneven pace', { ...PLAIN_VIDEO, constantRate: false }, SIZE, /uneven pace/],
    ['far too many bits', coded({ bitsPerSecond: 20_000_000 }), SIZE, /too many bits/],
    ['of odd size', { ...PLAIN_VIDEO, width: 641, height: 361 }, { width: 641, height: 361 }, /odd/],
  ])('are not copied where they are %s', (_what, video, size, why) => {
    expect(whyNotCopied(INFO, video, size)).toMatch(why);
  });

  it('are not copied out of containers whose timestamps an MP4 cannot take over', () => {
    expect(whyNotCopied({ ...INFO, formatName: 'avi' }, PLAIN_VIDEO, SIZE)).toMatch(/avi/);
  });
});

describe('clips', () => {
  const clip = (video: VideoStream = PLAIN_VIDEO) => ({ info: INFO, video });

  it('are joined as they are where they are coded alike, however long they are', () => {
    expect(whyNotJoined([clip(), clip({ ...PLAIN_VIDEO, durationSeconds: 2, frames: 50 })])).toBeUndefined();
  });

  it.each([
    ['another configuration', coded({ configurationHash: 'MD5:4567' }), /0 and 1 are coded differently/],
    ['another rate', { ...PLAIN_VIDEO, frameRate: { numerator: 50, denominator: 1 }, frames: 200 }, /coded differently/],
    ['other colours', coded({ matrix: 'bt709' }), /coded differently/],
    ['no configuration', coded({ configurationHash: undefined }), /clip 1 does not tell how/],
    ['no count of pictures', { ...PLAIN_VIDEO, frames: undefined }, /clip 1 does not say how many/],
    ['a gap', { ...PLAIN_VIDEO, frames: 98 }, /clip 1 does not say how many/],
    ['pictures that begin late', coded({ startSeconds: 0.08 }), /does not begin/],
    ['another codec', { ...PLAIN_VIDEO, codec: 'vp9' }, /clip 1: the pictures are vp9/],
  ])('are not where one has %s', (_what, other, why) => {
    expect(whyNotJoined([clip(), clip(other)])).toMatch(why);
  });
});

describe('sound', () => {
  const audio = { index: 1, codec: 'aac', sampleRate: 48_000, channels: 2, durationSeconds: 4, samples: undefined };

  it.each([
    ['aac', 'LC', INFO.formatName, true],
    ['aac', 'HE-AAC', INFO.formatName, true],
    ['aac', 'LD', INFO.formatName, false],
    ['aac', 'LC', 'mpegts', false],
    ['opus', undefined, 'matroska,webm', false],
  ])('in %s %s out of %s is copied: %s', (codec, profile, formatName, copied) => {
    expect(isWebSafeSound({ ...INFO, formatName }, { ...audio, codec, profile })).toBe(copied);
  });
});
