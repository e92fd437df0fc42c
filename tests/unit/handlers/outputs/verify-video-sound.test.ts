import { describe, expect, it } from 'vitest';
import type { MediaInfo } from '../../../../handlers/ffmpeg/probe.ts';
import { verifyTrack, verifyVideoLevel } from '../../../../handlers/outputs/verify-video-sound.ts';
import { PLAIN_VIDEO } from '../plain-video.ts';

const INVALID = expect.objectContaining({ code: 'OUTPUT_INVALID' });

function made(
  durationSeconds: number,
  more: { sampleRate?: number; packets?: number; framesPerSecond?: number } = {},
): MediaInfo {
  const { sampleRate = 48_000, packets, framesPerSecond = 25 } = more;
  return {
    formatName: 'mov,mp4,m4a,3gp,3g2,mj2',
    durationSeconds,
    video: { ...PLAIN_VIDEO, frameRate: { numerator: framesPerSecond, denominator: 1 } },
    audio: { index: 1, codec: 'aac', sampleRate, channels: 2, durationSeconds, samples: undefined, packets },
  };
}

describe('a track of sound', () => {
  it('may end 50 ms, a picture or two packets beside what was asked for', () => {
    expect(() => verifyTrack(made(4.05), { seconds: [4.001], channels: 2 })).not.toThrow();
    expect(() => verifyTrack(made(4.4, { framesPerSecond: 2 }), { seconds: [4], channels: 2 })).not.toThrow();
    expect(() => verifyTrack(made(4.2, { sampleRate: 8000 }), { seconds: [4], channels: 2 })).not.toThrow();
  });

  it('may not break off, nor run on', () => {
    expect(() => verifyTrack(made(3.9), { seconds: [4], channels: 2 })).toThrow(INVALID);
    expect(() => verifyTrack(made(4.1), { seconds: [4], channels: 2 })).toThrow(INVALID);
  });

  it('may last as long as the source has it, or as the pictures do, or anything where nothing tells', () => {
    expect(() => verifyTrack(made(4), { seconds: [2, 4], channels: 2 })).not.toThrow();
    expect(() => verifyTrack(made(3), { seconds: [2, 4], channels: 2 })).toThrow(INVALID);
    expect(() => verifyTrack(made(3), { seconds: [], channels: 2 })).not.toThrow();
  });

  it('must be there', () => {
    expect(() => verifyTrack({ ...made(4), audio: undefined }, { seconds: [], channels: 2 })).toThrow(INVALID);
  });

  it('must hold the packets of a copy, but for those at the ends', () => {
    const expected = { seconds: [4], channels: 2, packets: 188 };
    expect(() => verifyTrack(made(4, { packets: 186 }), expected)).not.toThrow();
    expect(() => verifyTrack(made(4, { packets: 94 }), expected)).toThrow(INVALID);
    expect(() => verifyTrack(made(4), expected)).toThrow(INVALID);
  });
});

describe('the level of an output', () => {
  it.each([
    ['the same', -3, -3, true],
    ['an overshoot above full scale', 2.7, -3.9, true],
    ['a click that was rounded off', -10.5, -3.9, true],
    ['silence of silence', -Infinity, -Infinity, true],
    ['nothing of what is as good as silent', -Infinity, -52, true],
    ['noise of a codec in silence', -80, -Infinity, true],
    ['a mix of six channels', -20, -3, false],
  ])('may be %s', (_what, out, entered, unmixed) => {
    expect(() => verifyVideoLevel(out, entered, unmixed)).not.toThrow();
  });

  it.each([
    ['silence of something loud', -Infinity, -3, true],
    ['silence of something soft', -Infinity, -30, true],
    ['something loud of silence', -3, -Infinity, true],
    ['a twentieth', -29, -3, true],
    ['silence of a mix', -Infinity, -3, false],
  ])('may not be %s', (_what, out, entered, unmixed) => {
    expect(() => verifyVideoLevel(out, entered, unmixed)).toThrow(INVALID);
  });
});
